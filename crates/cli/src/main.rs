//! segue.
fn main() {}
