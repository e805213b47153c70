use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use stereospot_api::view::Change;
use stereospot_domain::plan::Action;
use stereospot_domain::{EventKind, JobStatus, QueueRole};

use super::*;
use crate::dashboard::fixture::{self, NOW, event, job, job_id, message, plan, snapshot};
use crate::dashboard::harness::Harness;
use crate::dashboard::keys::Command;
use crate::dashboard::place::{About, Place};
use crate::dashboard::screens::DeadLetters;

mod deployment;
mod mouse;

fn dash() -> Harness {
    let mut dash = Harness::new(120, 40);
    dash.snapshot(snapshot());
    dash
}

fn press(dash: &mut Harness, letter: char) -> Vec<Effect> {
    dash.input(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)))
}

fn newest(dash: &mut Harness, number: u32) {
    let mut view = job(number, "newest", JobStatus::Created);
    view.job.created_at = NOW.plus(Duration::from_secs(u64::from(number)));
    dash.change(Change::Job(Box::new(view)));
}

fn first_job(dash: &Harness) -> stereospot_domain::JobId {
    dash.state.model.jobs.shown(0).id
}

#[test]
fn the_selection_stays_on_its_job_when_others_come() {
    let mut dash = dash();
    dash.key('4');
    dash.code(KeyCode::Down);
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)));
    newest(&mut dash, 100);
    dash.pass(Duration::from_secs(3));
    assert_eq!(first_job(&dash), job_id(100), "the list has moved");
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)), "the cursor has moved with its job");
}

#[test]
fn rows_stand_still_while_keys_are_pressed() {
    let mut dash = dash();
    dash.key('4');
    dash.pass(Duration::from_millis(1900));
    dash.code(KeyCode::Down);
    newest(&mut dash, 100);
    dash.pass(Duration::from_millis(1900));
    assert_ne!(first_job(&dash), job_id(100), "1.9 s after a key");
    dash.pass(Duration::from_millis(200));
    assert_eq!(first_job(&dash), job_id(100), "2.1 s after a key");
    dash.key('p');
    newest(&mut dash, 101);
    dash.pass(Duration::from_secs(60));
    assert_ne!(first_job(&dash), job_id(101), "frozen by hand");
    dash.key('p');
    dash.pass(Duration::from_secs(3));
    assert_eq!(first_job(&dash), job_id(101));
}

#[test]
fn attention_keeps_its_order_while_keys_are_pressed() {
    let mut dash = dash();
    dash.code(KeyCode::Down);
    let mut attention = snapshot().attention;
    attention.reverse();
    dash.change(Change::Attention { attention: attention.clone() });
    assert_eq!(dash.state.model.attention, snapshot().attention);
    dash.pass(Duration::from_secs(3));
    dash.change(Change::Attention { attention: attention.clone() });
    assert_eq!(dash.state.model.attention, attention);
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)), "on the same matter");
}

#[test]
fn an_action_is_bound_to_what_was_under_the_cursor_when_its_key_was_pressed() {
    let mut dash = dash();
    dash.key('4');
    dash.code(KeyCode::Down);
    let effects = press(&mut dash, 'f');
    let expected = Action::Repair { job_id: job_id(1), code: "segment-dead-lettered".parse().unwrap() };
    assert_eq!(effects, [Effect::Plan { serial: 1, action: expected.clone() }]);
    newest(&mut dash, 100);
    dash.pass(Duration::from_secs(5));
    let Overlay::Plan(dialog) = &dash.state.overlay else { panic!("{:?}", dash.state.overlay) };
    assert_eq!(dialog.action, expected);
}

#[test]
fn a_marked_message_is_replayed_by_its_id() {
    let mut dash = dash();
    dash.key('3');
    press(&mut dash, 'r');
    assert!(dash.state.note.as_ref().unwrap().text.contains("inference-dlq is still being read"));
    let queue = dash.state.get::<DeadLetters>().triage.queue.unwrap();
    let messages = |ids: std::ops::Range<u32>| Ok(ids.map(message).collect());
    dash.input(Input::Answer(Answer::Messages { queue, messages: messages(0..6) }));
    dash.code(KeyCode::Tab);
    dash.key(' ');
    dash.key(' ');
    dash.input(Input::Answer(Answer::Messages { queue, messages: messages(1..6) }));
    let effects = press(&mut dash, 'r');
    let ids = Some(vec!["m-1".to_owned(), "m-2".to_owned()]);
    assert_eq!(effects, [Effect::Plan { serial: 1, action: Action::Replay { queue, message_ids: ids } }]);
}

#[test]
fn discarding_takes_what_replaying_takes_and_only_on_its_own_screen_the_whole_queue() {
    let mut dash = dash();
    dash.key('3');
    let queue = dash.state.get::<DeadLetters>().triage.queue.unwrap();
    press(&mut dash, 'x');
    assert!(dash.state.note.as_ref().unwrap().text.contains("inference-dlq is still being read"));
    dash.input(Input::Answer(Answer::Messages { queue, messages: Ok((0..6).map(message).collect()) }));
    let check = |dash: &mut Harness, key: char, expected: &[&str]| {
        let effects = press(dash, key);
        let [Effect::Plan { action, .. }] = &effects[..] else { panic!("{effects:?}") };
        let ids = Some(expected.iter().map(|id| (*id).to_owned()).collect());
        let expected = match key {
            'r' => Action::Replay { queue, message_ids: ids },
            _ => Action::Purge { queue, message_ids: ids },
        };
        assert_eq!(*action, expected);
        dash.code(KeyCode::Esc);
    };
    for key in ['r', 'x'] {
        check(&mut dash, key, &["m-1", "m-2", "m-3", "m-5"]);
    }
    dash.code(KeyCode::Tab);
    dash.code(KeyCode::Down);
    for key in ['r', 'x'] {
        check(&mut dash, key, &["m-2"]);
    }
    dash.key(' ');
    dash.code(KeyCode::Down);
    for key in ['r', 'x'] {
        check(&mut dash, key, &["m-2"]);
    }
    dash.key('*');
    check(&mut dash, 'x', &["m-0", "m-1", "m-2", "m-3", "m-4", "m-5"]);
    dash.key('2');
    let at = dash.state.model.queues.iter().position(|view| view.name == queue).unwrap();
    (0..at).for_each(|_| dash.code(KeyCode::Down));
    let effects = press(&mut dash, 'x');
    let [Effect::Plan { action, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*action, Action::Purge { queue, message_ids: None });
}

#[test]
fn without_an_answer_a_blocked_key_says_that() {
    let check = |dash: &mut Harness, keys: &str, says: &str| {
        for key in keys.chars() {
            assert_eq!(press(dash, key), []);
            let note = &dash.state.note.as_ref().unwrap().text;
            assert!(note.contains(says), "{key}: {note}");
        }
    };
    let lost =
        |reason: &str| Input::Net(Net::Lost { attempt: 2, retry_in: Duration::from_secs(1), reason: reason.into() });
    let mut dash = Harness::new(120, 40);
    dash.key('3');
    check(&mut dash, "rxtfXu", "no answer from http://127.0.0.1:7847 yet");
    dash.input(lost("away"));
    check(&mut dash, "rxtfXu", "nothing answers at http://127.0.0.1:7847");
    dash.snapshot(snapshot());
    dash.key('3');
    dash.input(lost("away"));
    check(&mut dash, "r", "nothing answers at http://127.0.0.1:7847: what is shown may no longer be so");
    dash.snapshot(snapshot());
    // Connected, but silent: the queue will not be read.
    dash.pass(Duration::from_secs(60));
    check(&mut dash, "r", "nothing was heard for a while");
    dash.snapshot(snapshot());
    check(&mut dash, "X", "no platform moves queues here");
}

#[test]
fn a_blocked_key_says_why_and_does_nothing() {
    let mut dash = dash();
    dash.key('4');
    dash.code(KeyCode::Down);
    assert_eq!(press(&mut dash, 't'), []);
    assert_eq!(dash.state.note.as_ref().unwrap().text, "t (trigger) is blocked: 3 of 64 segments missing");
    assert_eq!(press(&mut dash, 'x'), []);
    assert!(dash.state.note.as_ref().unwrap().text.contains("no queue under the cursor"));
    let mut snapshot = snapshot();
    snapshot.environment.is_read_only = true;
    dash.snapshot(snapshot);
    assert_eq!(press(&mut dash, 'f'), []);
    assert!(dash.state.note.as_ref().unwrap().text.contains("read-only"));
}

#[test]
fn a_lost_connection_keeps_everything_and_blocks_writes() {
    let mut dash = dash();
    dash.key('4');
    dash.code(KeyCode::Down);
    let lost = Net::Lost { attempt: 1, retry_in: Duration::from_secs(1), reason: "no answer".into() };
    dash.input(Input::Net(lost));
    dash.pass(Duration::from_secs(600));
    assert!(dash.state.is_stale());
    assert_eq!(dash.state.model.jobs.len(), 7);
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)));
    assert_eq!(press(&mut dash, 'f'), []);
    assert!(dash.state.note.as_ref().unwrap().text.contains("nothing answers at"));
    dash.code(KeyCode::Up);
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(0)), "the keyboard answers");
    dash.snapshot(snapshot());
    assert!(!dash.state.is_stale());
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(0)));
}

#[test]
fn a_snapshot_that_is_not_whole_takes_nothing_away() {
    let mut dash = dash();
    let mut partial = snapshot();
    partial.jobs.truncate(2);
    partial.jobs_total = 7;
    dash.snapshot(partial.clone());
    assert_eq!(dash.state.model.jobs.len(), 7);
    partial.jobs_total = 2;
    dash.snapshot(partial);
    assert_eq!(dash.state.model.jobs.len(), 2, "a whole one says what is gone");
}

#[test]
fn an_open_job_is_read_again_when_it_changed_but_not_more_often() {
    let mut dash = dash();
    dash.key('4');
    dash.code(KeyCode::Down);
    let fetch = |with_events| Effect::FetchJob { job_id: job_id(1), with_events };
    let effects = press(&mut dash, '5');
    assert_eq!(effects, [fetch(true)]);
    let news = |dash: &mut Harness| {
        let change = Change::Event(Box::new(event(1, EventKind::SegmentCompleted)));
        dash.input(Input::Net(Net::Change(change)))
    };
    assert_eq!(news(&mut dash), [], "one reading at a time");
    let detail = Ok(Box::new(fixture::detail()));
    dash.input(Input::Answer(Answer::Job { job_id: job_id(1), detail, events: Some(Vec::new()) }));
    assert_eq!(news(&mut dash), [], "not yet again");
    dash.pass(Duration::from_millis(500));
    let detail = Ok(Box::new(fixture::detail()));
    dash.input(Input::Answer(Answer::Job { job_id: job_id(1), detail, events: None }));
    let reads = (0..40).filter(|_| !news(&mut dash).is_empty()).count();
    assert_eq!(reads, 0, "40 changes at one moment");
}

#[test]
fn a_late_answer_reaches_only_the_dialog_that_asked() {
    let mut dash = dash();
    dash.key('4');
    dash.code(KeyCode::Down);
    dash.key('f');
    dash.code(KeyCode::Esc);
    dash.pass(Duration::from_secs(1));
    dash.key('f');
    let action = Action::Trigger { job_id: job_id(9) };
    dash.input(Input::Answer(Answer::Plan { serial: 1, plan: Ok(Box::new(plan(action, None))) }));
    let Overlay::Plan(dialog) = &dash.state.overlay else { panic!() };
    assert_eq!(dialog.step, Step::Asking);
}

#[test]
fn places_are_gone_back_to() {
    let mut dash = dash();
    dash.key('2');
    dash.key('4');
    dash.key('[');
    assert_eq!(dash.state.place().screen, Command::Queues);
    dash.key('[');
    assert_eq!(dash.state.place().screen, Command::Pulse);
    dash.key(']');
    dash.key(']');
    assert_eq!(dash.state.place().screen, Command::Jobs);
    for letter in ":job/3c6e".chars() {
        dash.key(letter);
    }
    dash.code(KeyCode::Enter);
    assert_eq!(dash.state.place(), Place::job(job_id(1)));
    assert_eq!(press(&mut dash, 'y'), [Effect::Copy(format!("local/job/{}", job_id(1)))]);
}

#[test]
fn letters_in_a_filter_call_no_command() {
    let mut dash = dash();
    dash.key('4');
    for letter in "/qx".chars() {
        assert_eq!(press(&mut dash, letter), []);
    }
    assert_eq!(dash.state.model.jobs.shown_len(), 0);
    dash.code(KeyCode::Esc);
    assert_eq!(dash.state.model.jobs.shown_len(), 7, "esc brings the filter before back");
    assert_eq!(press(&mut dash, 'q'), [Effect::Quit]);
}

#[test]
fn the_last_purge_can_be_undone_until_its_copy_goes() {
    let mut dash = dash();
    assert_eq!(press(&mut dash, 'u'), []);
    let queue = stereospot_domain::QueueName::dead_letter(QueueRole::Inference);
    let applied = stereospot_domain::plan::AppliedPlan {
        plan: plan(Action::Purge { queue, message_ids: None }, Some("purge 2")),
        applied_by: "alice".into(),
        applied_at: NOW,
        finished_at: Some(NOW),
        results: Vec::new(),
        undo_until: Some(NOW.plus(Duration::from_secs(3600))),
    };
    dash.change(Change::Action(Box::new(applied.clone())));
    let expected = Action::Restore { plan_id: applied.plan.id };
    assert_eq!(press(&mut dash, 'u'), [Effect::Plan { serial: 1, action: expected }]);
    dash.code(KeyCode::Esc);
    dash.pass(Duration::from_secs(3601));
    assert_eq!(press(&mut dash, 'u'), []);
}

#[test]
fn the_cursor_stays_on_a_job_whose_finding_changes_or_ends() {
    use stereospot_domain::attention::Subject;
    use stereospot_domain::diagnosis::FindingCode;
    let mut dash = dash();
    dash.code(KeyCode::Down);
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)));
    let mut items = snapshot().attention;
    items[1].about = Subject::Job { job_id: job_id(1), code: FindingCode::StepFailing };
    items.rotate_left(1);
    dash.change(Change::Attention { attention: items.clone() });
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)), "another code");
    items.retain(|item| !matches!(item.about, Subject::Job { .. }));
    dash.change(Change::Attention { attention: items.clone() });
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)), "its row among the jobs at work");
    dash.code(KeyCode::Home);
    items.remove(0);
    dash.change(Change::Attention { attention: items.clone() });
    assert_eq!(dash.state.queue_under_cursor(), items[0].about.queue(), "the section stays");
}

#[test]
fn an_inverted_filter_works_on_dead_letters() {
    let mut dash = dash();
    dash.key('3');
    let queue = dash.state.get::<DeadLetters>().triage.queue.unwrap();
    let messages: Vec<_> = (0..7).map(message).collect();
    let with = messages.iter().filter(|message| message.error.as_deref().is_some_and(|error| error.contains("CUDA")));
    let (all, with) = (messages.len(), with.count());
    dash.input(Input::Answer(Answer::Messages { queue, messages: Ok(messages) }));
    for letter in "/!cuda".chars() {
        dash.key(letter);
    }
    assert_eq!(dash.state.get::<DeadLetters>().triage.shown().count(), all - with);
    assert!(with > 0 && with < all);
}
