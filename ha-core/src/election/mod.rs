//! Leader election.
use crate::coordinator::Hub;
use crate::names::Name;
use std::sync::Arc;
/// An election.
#[derive(Debug, Clone)]
pub struct Election;
impl Election {
    pub(crate) fn new(_hub: &Arc<Hub>, _name: Name) -> Self {
        Self
    }
}
