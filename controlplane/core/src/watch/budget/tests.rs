use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_burst_is_granted_and_the_rest_comes_evenly() {
    let mut budget = Budget::new(300);
    for _ in 0..60 {
        assert_eq!(budget.take(1, at(0)), Ok(()));
    }
    // 240 calls come back in a minute: one in a quarter of a second.
    let when = budget.take(1, at(0)).unwrap_err();
    assert!((at(250)..=at(251)).contains(&when), "{when:?}");
    assert_eq!(budget.take(1, when), Ok(()));
    assert!(budget.take(1, when).is_err());
}

#[test]
fn what_is_larger_than_the_burst_is_paid_back_first() {
    let mut budget = Budget::new(60);
    assert_eq!(budget.burst(), 12);
    assert_eq!(budget.take(20, at(0)), Ok(()));
    // 48 come back in a minute: 8 of debt and 1 to use take a little over 11 s.
    let when = budget.take(1, at(0)).unwrap_err();
    assert!((at(11_250)..=at(11_251)).contains(&when), "{when:?}");
    budget.overdraw(48, when);
    assert!(budget.take(1, at(60_000)).is_err());
}

#[test]
fn others_calls_use_up_what_is_there_and_make_no_debt() {
    let mut budget = Budget::new(300);
    budget.charge(2_000, at(0));
    assert!(budget.take(1, at(0)).is_err());
    assert_eq!(budget.take(4, at(1_000)), Ok(()), "what came back meanwhile");
    budget.overdraw(10, at(1_000));
    budget.charge(2_000, at(1_000));
    assert_eq!(budget.take(1, at(4_000)), Ok(()), "the debt is our own only");
}

#[test]
fn a_budget_has_a_least() {
    assert_eq!(Budget::new(0).per_minute(), Budget::LEAST);
    assert_eq!(Budget::new(0).take(6, at(0)), Ok(()));
}

proptest! {
    #[test]
    fn no_minute_holds_more_than_the_budget(
        per_minute in 10_u32..2_000,
        asked in proptest::collection::vec((0_u64..2_000, 1_u32..7), 1..400),
    ) {
        let mut budget = Budget::new(per_minute);
        let (mut now, mut granted) = (0, Vec::new());
        for (pause, calls) in asked {
            now += pause;
            if budget.take(calls, at(now)).is_ok() {
                granted.push((now, calls));
            }
        }
        for (from, _) in &granted {
            let within = granted.iter().filter(|(time, _)| (*from..from + 60_000).contains(time));
            let calls: u32 = within.map(|(_, calls)| calls).sum();
            prop_assert!(calls <= per_minute, "{calls} of {per_minute} in the minute from {from}");
        }
    }

    #[test]
    fn what_is_refused_is_granted_when_it_was_said(per_minute in 10_u32..2_000, calls in 1_u32..7, used in 0_u32..3_000) {
        let mut budget = Budget::new(per_minute);
        budget.overdraw(used, at(0));
        if let Err(when) = budget.take(calls, at(0)) {
            prop_assert_eq!(budget.take(calls, when), Ok(()));
        }
    }
}
