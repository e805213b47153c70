use super::memory::MemoryFleet;
use super::*;

fn service(desired: u32, scaling: Scaling) -> Service {
    Service { name: "video-worker".into(), desired, running: desired, pending: 0, scaling, note: None }
}

#[tokio::test]
async fn forcing_one_task_only_changes_a_service_without_tasks() {
    let fleet = MemoryFleet::of([service(0, Scaling::Off)]);
    let forced = fleet.force_one("video-worker").await.unwrap();
    assert_eq!((forced.before, forced.desired), (0, 1));
    fleet.scale("video-worker", 3).await.unwrap();
    let forced = fleet.force_one("video-worker").await.unwrap();
    assert_eq!((forced.before, forced.desired), (3, 3));
    assert_eq!(fleet.force_one("web").await.unwrap_err().code(), ErrorCode::NotFound);
}

#[test]
fn scaling_by_hand_warns_if_the_platform_may_undo_it() {
    let limits = Limits { min: 1, max: 8, is_suspended: false };
    let warns = |service: Service, desired| service.scaling_warning(desired).unwrap_or_default();
    assert!(warns(service(0, Scaling::Within(limits)), 2).ends_with("may change 2 again"));
    assert!(warns(service(0, Scaling::Within(limits)), 0).ends_with("soon, as it lies outside them"));
    assert_eq!(warns(service(0, Scaling::Within(Limits { is_suspended: true, ..limits })), 0), "");
    assert_eq!(warns(service(0, Scaling::Off), 0), "");
    assert!(service(0, Scaling::Off).is_idle());
    let unknown = service(0, Scaling::Unknown("not allowed".into()));
    assert_eq!(unknown.scaling_warning(1), unknown.remark());
    assert_eq!(unknown.remark().unwrap(), "its scaling limits are not known: not allowed");
}
