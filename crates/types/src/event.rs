//! Every fact that happens to a call.
