//! Reads the platform's services: how many tasks each has.

use stereospot_api::view::ServiceView;
use stereospot_ports::Result;

use super::summary::Summary;
use crate::app::App;

/// Reads all services.
pub(super) async fn read(app: &App) -> Result<Summary> {
    let Some(fleet) = &app.platform.fleet else { return Ok(Summary::new(false, 0)) };
    let at = app.now();
    let services = fleet.services().await?;
    let views: Vec<ServiceView> = services
        .into_iter()
        .map(|service| {
            let limits = service.scaling.limits();
            ServiceView {
                note: service.remark(),
                name: service.name,
                desired: service.desired,
                running: service.running,
                pending: service.pending,
                min: limits.map(|limits| limits.min),
                max: limits.map(|limits| limits.max),
                is_scaling_suspended: limits.is_some_and(|limits| limits.is_suspended),
                observed_at: at,
            }
        })
        .collect();
    crate::measure::services(&views);
    let is_changed = app.live.with(|world| world.set_services(views, at));
    // Tasks that start or stop change the numbers, and are therefore read again soon.
    Ok(Summary::new(is_changed, 2))
}
