//! Cases: the reassembly lock.

use std::time::Duration;

use stereospot_domain::{JobId, Lock, Timestamp};

use super::case::{Outcome, Stop, World, cases, holds, same};
use super::jobs::{new_id, now, winners};
use crate::job_store::Acquired;

cases!(
    a_lock_is_created_once,
    of_many_lock_creators_one_wins,
    a_lock_is_acquired_and_released,
    a_lock_that_is_not_there_can_t_be_acquired,
    the_same_owner_takes_it_again,
    of_many_acquirers_one_wins,
    a_renewed_lock_stays,
    an_expired_lock_is_taken_over,
    of_many_taking_over_one_wins,
    an_overtaken_holder_has_lost_the_lock,
    only_the_holder_releases,
    retriggering_is_compare_and_set,
    of_many_retriggers_one_wins,
    resetting_is_compare_and_set,
    a_reset_lock_can_be_acquired,
    a_deleted_lock_is_gone,
);

const HELD: Duration = Duration::from_secs(60);

async fn lock(world: &World, job_id: JobId) -> Result<Lock, Stop> {
    world.backend.jobs.lock(job_id).await?.ok_or_else(|| Stop::Failed("the lock is gone".into()))
}

async fn created(world: &World) -> Result<(JobId, Timestamp), Stop> {
    let (id, at) = (new_id(), now(world));
    holds("created", world.backend.jobs.create_lock(id, at).await?)?;
    Ok((id, at))
}

async fn a_lock_is_created_once(world: &World) -> Outcome {
    let (id, at) = (new_id(), now(world));
    let jobs = &world.backend.jobs;
    same("before", jobs.lock(id).await?, None)?;
    same("first", jobs.create_lock(id, at).await?, true)?;
    same("second", jobs.create_lock(id, at.plus(HELD)).await?, false)?;
    let wanted = Lock { job_id: id, triggered_at: at, reassembly_started_at: None, lease_until: None, owner: None };
    same("lock", lock(world, id).await?, wanted)
}

async fn of_many_lock_creators_one_wins(world: &World) -> Outcome {
    let (id, at) = (new_id(), now(world));
    let tries = (0..32).map(|number| {
        let jobs = world.side(number).jobs.clone();
        tokio::spawn(async move { matches!(jobs.create_lock(id, at).await, Ok(true)) })
    });
    same("winners", winners(tries).await?, 1)
}

async fn a_lock_is_acquired_and_released(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    same("acquired", jobs.acquire_lock(id, "a", at, HELD).await?, Acquired::Yes)?;
    let held = lock(world, id).await?;
    same("started", held.reassembly_started_at, Some(at))?;
    same("until", held.lease_until, Some(at.plus(HELD)))?;
    same("owner", held.owner.as_deref(), Some("a"))?;
    let second = jobs.acquire_lock(id, "b", at.plus(Duration::from_secs(1)), HELD).await?;
    same("another owner", second, Acquired::Held(Some(at.plus(HELD))))?;
    same("released", jobs.release_lock(id, "a").await?, true)?;
    let free = lock(world, id).await?;
    same("free", (free.reassembly_started_at, free.lease_until, free.owner), (None, None, None))?;
    same("triggered at", free.triggered_at, at)?;
    same("another owner now", jobs.acquire_lock(id, "b", at, HELD).await?, Acquired::Yes)
}

async fn a_lock_that_is_not_there_can_t_be_acquired(world: &World) -> Outcome {
    let (id, at) = (new_id(), now(world));
    let jobs = &world.backend.jobs;
    same("acquire", jobs.acquire_lock(id, "a", at, HELD).await?, Acquired::Missing)?;
    same("renew", jobs.renew_lock(id, "a", at, HELD).await?, false)?;
    same("release", jobs.release_lock(id, "a").await?, false)?;
    same("reset", jobs.reset_lock(id, at).await?, false)?;
    same("retrigger", jobs.retrigger_lock(id, at, at).await?, false)?;
    same("delete", jobs.delete_lock(id).await?, false)?;
    same("made by the attempts", jobs.lock(id).await?, None)
}

async fn the_same_owner_takes_it_again(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    let later = at.plus(Duration::from_secs(10));
    same("first", jobs.acquire_lock(id, "a", at, HELD).await?, Acquired::Yes)?;
    same("again", jobs.acquire_lock(id, "a", later, HELD).await?, Acquired::Yes)?;
    same("until", lock(world, id).await?.lease_until, Some(later.plus(HELD)))
}

async fn of_many_acquirers_one_wins(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    same("winners", acquirers(world, id, at).await?, 1)
}

async fn acquirers(world: &World, id: JobId, at: Timestamp) -> Result<usize, Stop> {
    let tries = (0..32).map(|number| {
        let jobs = world.side(number).jobs.clone();
        let owner = format!("worker {number}");
        tokio::spawn(async move { matches!(jobs.acquire_lock(id, &owner, at, HELD).await, Ok(Acquired::Yes)) })
    });
    winners(tries).await
}

async fn a_renewed_lock_stays(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    jobs.acquire_lock(id, "a", at, HELD).await?;
    let later = at.plus(Duration::from_secs(50));
    same("renewed", jobs.renew_lock(id, "a", later, HELD).await?, true)?;
    let held = lock(world, id).await?;
    same("started", held.reassembly_started_at, Some(at))?;
    same("until", held.lease_until, Some(later.plus(HELD)))?;
    let after_the_first = at.plus(Duration::from_secs(70));
    let other = jobs.acquire_lock(id, "b", after_the_first, HELD).await?;
    same("another owner", other, Acquired::Held(Some(later.plus(HELD))))
}

async fn an_expired_lock_is_taken_over(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    jobs.acquire_lock(id, "a", at, HELD).await?;
    let end = at.plus(HELD);
    same("at its very end", jobs.acquire_lock(id, "b", end, HELD).await?, Acquired::Held(Some(end)))?;
    let after = end.plus(Duration::from_secs(1));
    same("after it", jobs.acquire_lock(id, "b", after, HELD).await?, Acquired::Yes)?;
    let held = lock(world, id).await?;
    same("owner", held.owner.as_deref(), Some("b"))?;
    same("started", held.reassembly_started_at, Some(after))
}

async fn of_many_taking_over_one_wins(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    world.backend.jobs.acquire_lock(id, "dead", at, HELD).await?;
    same("winners", acquirers(world, id, at.plus(HELD * 2)).await?, 1)
}

async fn an_overtaken_holder_has_lost_the_lock(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    jobs.acquire_lock(id, "a", at, HELD).await?;
    let later = at.plus(HELD * 2);
    jobs.acquire_lock(id, "b", later, HELD).await?;
    let before = lock(world, id).await?;
    same("renewing", jobs.renew_lock(id, "a", later, HELD).await?, false)?;
    same("releasing", jobs.release_lock(id, "a").await?, false)?;
    same("the lock", lock(world, id).await?, before)
}

async fn only_the_holder_releases(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    same("of a free lock", jobs.release_lock(id, "a").await?, false)?;
    jobs.acquire_lock(id, "a", at, HELD).await?;
    same("another's", jobs.release_lock(id, "b").await?, false)?;
    same("renewing another's", jobs.renew_lock(id, "b", at, HELD).await?, false)?;
    same("once", jobs.release_lock(id, "a").await?, true)?;
    same("twice", jobs.release_lock(id, "a").await?, false)?;
    same("renewing after the release", jobs.renew_lock(id, "a", at, HELD).await?, false)
}

async fn retriggering_is_compare_and_set(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    let later = at.plus(HELD);
    same("another value", jobs.retrigger_lock(id, later, later).await?, false)?;
    same("the value", jobs.retrigger_lock(id, at, later).await?, true)?;
    same("triggered at", lock(world, id).await?.triggered_at, later)?;
    same("the old value", jobs.retrigger_lock(id, at, later).await?, false)
}

async fn of_many_retriggers_one_wins(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    // Also if no time has passed since the observed value.
    for now in [at, at.plus(HELD)] {
        let observed = lock(world, id).await?.triggered_at;
        let tries = (0..32).map(|number| {
            let jobs = world.side(number).jobs.clone();
            tokio::spawn(async move { matches!(jobs.retrigger_lock(id, observed, now).await, Ok(true)) })
        });
        same("winners", winners(tries).await?, 1)?;
    }
    Ok(())
}

async fn resetting_is_compare_and_set(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    same("not started", jobs.reset_lock(id, at).await?, false)?;
    jobs.acquire_lock(id, "a", at, HELD).await?;
    same("another value", jobs.reset_lock(id, at.plus(HELD)).await?, false)?;
    same("still held", lock(world, id).await?.owner.as_deref(), Some("a"))?;
    same("the value", jobs.reset_lock(id, at).await?, true)?;
    let free = lock(world, id).await?;
    same("free", (free.reassembly_started_at, free.lease_until, free.owner), (None, None, None))?;
    same("again", jobs.reset_lock(id, at).await?, false)
}

async fn a_reset_lock_can_be_acquired(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    jobs.acquire_lock(id, "a", at, HELD).await?;
    jobs.reset_lock(id, at).await?;
    same("another owner", jobs.acquire_lock(id, "b", at, HELD).await?, Acquired::Yes)?;
    same("the first", jobs.renew_lock(id, "a", at, HELD).await?, false)
}

async fn a_deleted_lock_is_gone(world: &World) -> Outcome {
    let (id, at) = created(world).await?;
    let jobs = &world.backend.jobs;
    jobs.acquire_lock(id, "a", at, HELD).await?;
    same("deleted", jobs.delete_lock(id).await?, true)?;
    same("lock", jobs.lock(id).await?, None)?;
    same("again", jobs.delete_lock(id).await?, false)?;
    same("created again", jobs.create_lock(id, at).await?, true)?;
    same("the old holder", jobs.renew_lock(id, "a", at, HELD).await?, false)
}
