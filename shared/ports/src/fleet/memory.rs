//! Services in memory, for tests of callers. Tasks start and stop at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Fleet, Scaled, Service, unknown};
use crate::error::Result;

/// A fleet with fixed services.
#[derive(Debug, Default)]
pub struct MemoryFleet {
    services: Mutex<BTreeMap<String, Service>>,
}

impl MemoryFleet {
    /// A fleet of these services.
    #[must_use]
    pub fn of(services: impl IntoIterator<Item = Service>) -> Self {
        let services = services.into_iter().map(|service| (service.name.clone(), service)).collect();
        Self { services: Mutex::new(services) }
    }
}

#[async_trait]
impl Fleet for MemoryFleet {
    async fn services(&self) -> Result<Vec<Service>> {
        Ok(self.services.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect())
    }

    async fn scale(&self, service: &str, desired: u32) -> Result<Scaled> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let found = services.get_mut(service).ok_or_else(|| unknown(service))?;
        let before = std::mem::replace(&mut found.desired, desired);
        found.running = desired;
        found.pending = 0;
        Ok(Scaled { name: service.into(), before, desired, warning: found.scaling_warning(desired) })
    }
}
