//! Placeholder crate root; see the house plan.
