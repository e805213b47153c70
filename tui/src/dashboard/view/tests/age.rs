//! How old values may be, and how their age is shown.

use std::time::Duration;

use stereospot_api::view::{Change, Observed};

use super::{SIZES, full, on_aws, text};
use crate::dashboard::effect::Answer;
use crate::dashboard::fixture::{NOW, message, snapshot};
use crate::dashboard::harness::Harness;
use crate::dashboard::input::{Input, Net};
use crate::dashboard::screens::DeadLetters;

#[test]
fn a_lost_or_silent_connection_is_the_first_thing_that_is_wrong() {
    let lost = |dash: &mut Harness| {
        dash.input(Input::Net(Net::Lost { attempt: 2, retry_in: Duration::from_secs(4), reason: "no answer".into() }));
        dash.pass(Duration::from_secs(1));
    };
    let silent = |dash: &mut Harness| dash.pass(Duration::from_secs(60));
    let again = |dash: &mut Harness| {
        dash.input(Input::Net(Net::Connecting { attempt: 3 }));
    };
    let check = |columns: u16, rows: u16, happens: &dyn Fn(&mut Harness), says: &str| {
        for has_matters in [false, true] {
            let mut dash = Harness::new(columns, rows);
            let mut snapshot = snapshot();
            if !has_matters {
                snapshot.attention.clear();
            }
            let matters = snapshot.attention.len();
            dash.snapshot(snapshot);
            dash.draw();
            assert_eq!(text(dash.screen()).contains("✓ nothing is wrong"), !has_matters, "{}", text(dash.screen()));
            happens(&mut dash);
            dash.draw();
            let shown = text(dash.screen());
            assert!(!shown.contains("nothing is wrong"), "{shown}");
            assert!(shown.contains(&format!("ATTENTION ({})", matters + 1)), "{shown}");
            let lines: Vec<&str> = shown.lines().collect();
            let heading = lines.iter().position(|line| line.contains("ATTENTION (")).unwrap();
            assert!(lines[heading + 1].contains("✗ control plane") && lines[heading + 1].contains(says), "{shown}");
            assert!(!has_matters || lines[heading + 2].contains(&snapshot_subject()), "{shown}");
        }
    };
    for (columns, rows) in SIZES {
        check(columns, rows, &lost, "lost, all below");
        check(columns, rows, &silent, "silent for");
        check(columns, rows, &again, "asked again");
    }
    let mut dash = Harness::new(80, 24);
    lost(&mut dash);
    dash.draw();
    assert!(text(dash.screen()).contains("✗ control plane  no answer"), "{}", text(dash.screen()));
    let mut dash = full(80, 24);
    lost(&mut dash);
    dash.snapshot(snapshot());
    dash.draw();
    assert!(!text(dash.screen()).contains("✗ control plane"), "{}", text(dash.screen()));
}

/// The subject of the fixture's most severe attention item.
fn snapshot_subject() -> String {
    snapshot().attention[0].title.clone()
}

#[test]
fn dead_letters_are_read_again_where_that_is_free_and_elsewhere_their_count_says_its_own_age() {
    let letters = |mut dash: Harness| {
        dash.key('3');
        let queue = dash.state.get::<DeadLetters>().triage.queue.unwrap();
        dash.input(Input::Answer(Answer::Messages { queue, messages: Ok((0..7).map(message).collect()) }));
        let mut readings = 0;
        // Half a minute, in which the collectors go on.
        for second in 1..=30 {
            for mut collector in snapshot().collectors {
                collector.last_success_at = Some(NOW.plus(Duration::from_secs(second)));
                dash.change(Change::Collector(collector));
            }
            dash.pass(Duration::from_millis(900));
            dash.pass(Duration::from_millis(100));
            let effects = dash.input(Input::Tick);
            assert!(effects.is_empty());
            if dash.state.get::<DeadLetters>().triage.is_reading {
                readings += 1;
                dash.input(Input::Answer(Answer::Messages { queue, messages: Ok((0..7).map(message).collect()) }));
            }
        }
        dash.draw();
        (readings, text(dash.screen()))
    };
    let (readings, shown) = letters(full(120, 30));
    assert!((5..=7).contains(&readings), "{readings}");
    assert!(shown.contains("─ read ") && !shown.contains("as many"), "{shown}");
    let age = shown.split("read ").nth(1).unwrap().split('s').next().unwrap();
    assert!(age.parse::<f32>().unwrap() <= 5.0, "{shown}");
    let (readings, shown) = letters(on_aws(120, 30));
    assert_eq!(readings, 0, "a reading is paid for");
    assert!(shown.contains("read 30s ago, as many "), "{shown}");
}

#[test]
fn a_stage_is_as_old_as_the_older_of_its_two_queues() {
    let row = |columns: u16, is_unread: bool| {
        let mut snapshot = snapshot();
        snapshot.collectors[0].interval_secs = 60.0;
        let [main, dead] = &mut snapshot.queues[..2] else { panic!() };
        let at = NOW.minus(Duration::from_secs(47));
        dead.ready = dead.ready.map(|seen| Observed { at, ..seen });
        if is_unread {
            for queue in [main, dead] {
                (queue.ready, queue.in_flight, queue.delayed) = (None, None, None);
            }
        }
        let mut dash = Harness::new(columns, 24);
        dash.snapshot(snapshot);
        dash.draw();
        let shown = text(dash.screen());
        let lines = shown.lines().skip_while(|line| !line.contains("STAGE ")).take(2);
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let age = |columns, is_unread| {
        let lines = row(columns, is_unread);
        let from_end = lines[0].iter().rev().position(|title| title == "age")?;
        Some(lines[1][lines[1].len() - 1 - from_end].clone())
    };
    assert_eq!(age(98, false).as_deref(), Some("47s"));
    assert_eq!(age(98, true).as_deref(), Some("·"));
    assert_eq!(age(97, false), None, "it is the first to go: the first line has the collector's age");
    assert!(row(97, false)[0].contains(&"min".to_owned()));
}
