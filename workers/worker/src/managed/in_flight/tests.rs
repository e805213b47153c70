use object_store::ObjectStoreExt;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_runtime::events::Events;

use super::*;

fn invocation(number: u32) -> Invocation {
    Invocation {
        success_uri: format!("local://output/sagemaker-async-responses/{number}.out"),
        failure_uri: Some(format!("local://output/sagemaker-async-failures/{number}-error.out")),
    }
}

#[tokio::test]
async fn room_is_made_by_notices_by_objects_and_by_time() {
    let clock = ManualClock::default();
    let folder = tempfile::tempdir().unwrap();
    let backend = memory::backend(&clock);
    let events = Events::open("test", folder.path(), backend.clock.clone()).unwrap();
    let context = Context::new(backend, events, CancellationToken::new());
    let job_id = JobId(uuid::Uuid::from_u128(7));
    let now = || context.backend.clock.now();
    let in_flight = InFlight::new(2, Duration::from_secs(1200));
    let fill = |first: u32| (first..first + 2).for_each(|index| in_flight.add(job_id, index, invocation(index), now()));
    let put = async |key: &str| {
        context.backend.output.store.put(&objects::path(key).unwrap(), "x".into()).await.unwrap();
    };
    let (never, stopped) = (CancellationToken::new(), CancellationToken::new());
    stopped.cancel();
    let is_full = async || matches!(in_flight.room(&context, &stopped).await, Err(Failure::Cancelled));

    in_flight.room(&context, &never).await.unwrap();
    fill(0);
    assert!(is_full().await);
    assert!(in_flight.holds(&context, job_id, 0).await.unwrap());
    assert!(!in_flight.holds(&context, job_id, 2).await.unwrap());
    assert!(!in_flight.end("local://output/sagemaker-async-responses/9.out"), "another worker's");
    assert!(in_flight.end(&invocation(0).success_uri));
    in_flight.room(&context, &never).await.unwrap();
    assert!(in_flight.end(&invocation(1).failure_uri.unwrap()));

    fill(2);
    put(&keys::output_segment(job_id, 2)).await;
    in_flight.room(&context, &never).await.unwrap();
    put("sagemaker-async-failures/3-error.out").await;
    in_flight.add(job_id, 4, invocation(4), now());
    in_flight.room(&context, &never).await.unwrap();
    in_flight.add(job_id, 5, invocation(5), now());
    assert!(is_full().await);
    clock.advance(Duration::from_secs(1200));
    in_flight.room(&context, &never).await.unwrap();
    assert!(!in_flight.holds(&context, job_id, 4).await.unwrap());
}
