//! Acceptance by real clients: harness shared by the tests in this folder.
