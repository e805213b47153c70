//! Logs, services, and the deployment's screen.

use stereospot_domain::attention::Subject;

use super::*;
use crate::dashboard::job_reading::JobReading;
use crate::dashboard::screens::{Deployment, FleetItem, Job, Logs, Workers};

fn on_aws() -> Harness {
    let mut dash = Harness::new(120, 40);
    dash.snapshot(fixture::on_aws());
    dash
}

/// The logs of the stuck job, with so many lines.
fn logs(lines: u32) -> Harness {
    let mut dash = on_aws();
    dash.key('4');
    dash.code(KeyCode::Down);
    assert_eq!(press(&mut dash, 'v'), [Effect::SearchLogs { job_id: job_id(1) }]);
    dash.pass(Duration::from_secs(20));
    let page = Ok(fixture::log_page(lines));
    dash.input(Input::Answer(Answer::Logs { job_id: job_id(1), page }));
    dash
}

fn code(dash: &mut Harness, code: KeyCode) -> Vec<Effect> {
    dash.input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

#[test]
fn a_search_is_dropped_by_esc_and_the_place_kept() {
    let mut dash = on_aws();
    dash.key('4');
    dash.code(KeyCode::Down);
    dash.key('v');
    assert_eq!(code(&mut dash, KeyCode::Esc), [Effect::StopSearch]);
    assert_eq!(dash.state.place(), Place::new(Command::Logs, About::Job(job_id(1))));
    assert_eq!(code(&mut dash, KeyCode::Enter), [Effect::SearchLogs { job_id: job_id(1) }], "enter searches again");
    code(&mut dash, KeyCode::Esc);
    assert_eq!(code(&mut dash, KeyCode::Esc), []);
    assert_eq!(dash.state.place().screen, Command::Jobs, "with nothing to stop it goes back");
}

#[test]
fn what_was_found_is_there_on_return_and_not_searched_again() {
    let mut dash = logs(20);
    dash.key('1');
    dash.pass(Duration::from_secs(600));
    assert_eq!(press(&mut dash, '['), []);
    assert_eq!(dash.state.get::<Logs>().search.as_ref().unwrap().len(), 20);
}

#[test]
fn an_open_job_is_read_less_often_where_each_reading_is_paid_for() {
    let mut detail = JobReading::new(job_id(1));
    let is_due = |detail: &mut JobReading, is_paid, secs| {
        let is_due = detail.due(is_paid, Duration::from_secs(secs)).is_some();
        if is_due {
            detail.fill(Ok(Box::new(fixture::detail())), None, NOW);
        }
        is_due
    };
    assert!(is_due(&mut detail, true, 1));
    detail.outdate();
    assert!(!is_due(&mut detail, true, 5) && is_due(&mut detail, true, 6), "it has changed");
    assert!(!is_due(&mut detail, true, 35) && is_due(&mut detail, true, 36), "nothing was");
    assert!(!is_due(&mut detail, false, 40) && is_due(&mut detail, false, 41), "it costs nothing");
    detail.renew();
    assert!(is_due(&mut detail, true, 41), "somebody came to look");
}

#[test]
fn an_answer_reaches_only_the_job_that_was_asked_for() {
    let mut dash = on_aws();
    dash.key('4');
    dash.key('v');
    let other = Answer::Logs { job_id: job_id(1), page: Ok(fixture::log_page(9)) };
    dash.input(Input::Answer(other));
    assert_eq!(dash.state.get::<Logs>().search.as_ref().unwrap().len(), 0);
    assert!(dash.state.get::<Logs>().search.as_ref().unwrap().is_searching());
}

#[test]
fn following_searches_on_the_open_screen_only() {
    let mut dash = logs(20);
    assert_eq!(press(&mut dash, 'L'), [Effect::SearchLogs { job_id: job_id(1) }]);
    let page = || Answer::Logs { job_id: job_id(1), page: Ok(fixture::log_page(25)) };
    dash.input(Input::Answer(page()));
    assert_eq!(dash.state.get::<Logs>().search.as_ref().unwrap().index(), Some(24), "on with the end");
    dash.key('2');
    let waited = |dash: &mut Harness, secs| {
        dash.pass(Duration::from_secs(secs));
        dash.state.get::<Logs>().search.as_ref().unwrap().is_searching()
    };
    assert!(!waited(&mut dash, 600));
    dash.key('[');
    assert!(dash.state.get::<Logs>().search.as_ref().unwrap().is_searching());
    dash.input(Input::Answer(page()));
    dash.key('L');
    assert!(!waited(&mut dash, 600), "no longer");
    let cut = stereospot_api::view::LogPage { is_whole: false, ..fixture::log_page(3) };
    dash.input(Input::Answer(Answer::Logs { job_id: job_id(1), page: Ok(cut) }));
    assert_eq!(press(&mut dash, 'L'), []);
    assert!(dash.state.note.as_ref().unwrap().text.contains("more lines than one search"));
}

#[test]
fn errors_are_gone_to_on_every_screen() {
    let mut dash = logs(20);
    dash.key('g');
    let at = |dash: &Harness| dash.state.get::<Logs>().search.as_ref().unwrap().index();
    dash.key('e');
    assert_eq!(at(&dash), Some(3));
    dash.key('e');
    assert_eq!(at(&dash), Some(7));
    dash.key('E');
    assert_eq!(at(&dash), Some(3));
    dash.key('2');
    dash.key('e');
    assert_eq!(dash.state.queue_under_cursor().unwrap().to_string(), "inference-dlq");
    dash.key('6');
    dash.key('e');
    assert_eq!(dash.state.screen().service(&dash.state.model).unwrap().name, "video-worker");
    dash.key('e');
    assert!(dash.state.note.as_ref().unwrap().text.contains("nothing further is wrong"));
    dash.key('1');
    dash.key('e');
    assert_eq!(dash.state.job_under_cursor(), Some(job_id(1)), "the second finding");
    dash.key('5');
    let detail = Ok(Box::new(fixture::detail()));
    dash.input(Input::Answer(Answer::Job { job_id: job_id(1), detail, events: None }));
    for segment in [17, 22, 40] {
        dash.key('e');
        assert_eq!(dash.state.get::<Job>().panes.segment, segment);
    }
    dash.key('3');
    dash.key('l');
    dash.key('E');
    assert_eq!(dash.state.path(&dash.state.place()), "dlq/inference");
}

#[test]
fn a_service_is_scaled_by_number_then_plan() {
    let mut dash = on_aws();
    dash.key('6');
    dash.code(KeyCode::Down);
    assert_eq!(press(&mut dash, 's'), [], "the number comes first");
    // Another service moves to where the cursor was.
    let mut services = fixture::on_aws().services;
    services.insert(0, stereospot_api::view::ServiceView { name: "a-new-one".into(), ..services[0].clone() });
    dash.change(Change::Services { services });
    assert_eq!(code(&mut dash, KeyCode::Enter), [], "no number, no plan");
    dash.key('x');
    dash.code(KeyCode::Up);
    dash.code(KeyCode::Backspace);
    dash.key('1');
    dash.key('2');
    let action = Action::Scale { service: "video-worker".into(), desired: 12 };
    assert_eq!(code(&mut dash, KeyCode::Enter), [Effect::Plan { serial: 1, action: action.clone() }]);
    let plan = Ok(Box::new(plan(action, None)));
    dash.input(Input::Answer(Answer::Plan { serial: 1, plan }));
    dash.pass(Duration::from_secs(1));
    assert_eq!(code(&mut dash, KeyCode::Enter), [], "enter opened it, enter does not apply it");
    assert!(matches!(press(&mut dash, 'a')[..], [Effect::Apply { serial: 1, .. }]));
}

#[test]
fn a_write_that_takes_long_can_be_left_and_its_end_is_reported() {
    use crate::dashboard::fixture;
    use stereospot_domain::plan::{ItemResult, Outcome};
    let mut dash = on_aws();
    dash.key('6');
    for key in ['s', '2'] {
        dash.key(key);
    }
    dash.code(KeyCode::Enter);
    let action = Action::Scale { service: "media-worker".into(), desired: 2 };
    let plan = plan(action, None);
    dash.input(Input::Answer(Answer::Plan { serial: 1, plan: Ok(Box::new(plan.clone())) }));
    dash.pass(Duration::from_secs(1));
    dash.key('a');
    dash.code(KeyCode::Esc);
    assert!(matches!(dash.state.overlay, Overlay::Plan(_)), "first it is said what leaving means");
    dash.code(KeyCode::Esc);
    assert!(matches!(dash.state.overlay, Overlay::None));
    let result = |number, outcome| ItemResult { target: fixture::target(number), outcome, note: String::new() };
    let results = vec![result(17, Outcome::Done), result(18, Outcome::Failed)];
    let applied = stereospot_api::wire::Applied { plan_id: plan.id, results };
    dash.input(Input::Answer(Answer::Applied { serial: 1, applied: Ok(applied) }));
    let note = dash.state.note.as_ref().unwrap();
    assert_eq!((note.text.as_str(), note.is_error), ("applied: 1 done, 0 skipped, 1 failed", true));
}

#[test]
fn a_move_is_stopped_where_its_queue_is() {
    let mut dash = on_aws();
    dash.key('2');
    assert_eq!(press(&mut dash, 'X'), []);
    assert!(dash.state.note.as_ref().unwrap().text.contains("no dead-letter queue"));
    dash.code(KeyCode::Down);
    let queue = stereospot_domain::QueueName::dead_letter(QueueRole::Chunking);
    assert_eq!(press(&mut dash, 'X'), [Effect::Plan { serial: 1, action: Action::StopMove { queue } }]);
}

#[test]
fn a_matter_of_a_service_leads_to_it_and_scales_it() {
    let mut dash = on_aws();
    let mut attention = fixture::on_aws().attention;
    attention[0].about = Subject::Service { name: "video-worker".into(), role: QueueRole::Inference };
    attention[1].about = Subject::Polling;
    attention[2].about = Subject::Worker { name: "chunking-1@box".into() };
    attention[2].job_id = None;
    dash.change(Change::Attention { attention });
    press(&mut dash, 's');
    assert!(matches!(&dash.state.overlay, Overlay::Scale { service, .. } if service == "video-worker"));
    dash.code(KeyCode::Esc);
    dash.code(KeyCode::Enter);
    assert_eq!(dash.state.screen().service(&dash.state.model).unwrap().name, "video-worker");
    dash.key('1');
    dash.code(KeyCode::Down);
    dash.code(KeyCode::Enter);
    assert_eq!(dash.state.place().screen, Command::Deployment);
    dash.key('1');
    dash.code(KeyCode::Down);
    dash.code(KeyCode::Enter);
    assert_eq!(dash.state.get::<Workers>().worker(&dash.state.model).unwrap().name, "chunking-1@box");
}

#[test]
fn what_was_scrolled_to_its_end_comes_back_with_one_key() {
    let mut dash = Harness::new(80, 10);
    dash.snapshot(fixture::on_aws());
    dash.input(Input::Answer(Answer::Deployment(Ok(Box::new(fixture::deployment())))));
    dash.key('8');
    dash.draw();
    dash.key('G');
    let last = dash.state.get::<Deployment>().scroll;
    dash.key('k');
    assert_eq!(dash.state.get::<Deployment>().scroll, last - 1);
}

#[test]
fn scaling_says_why_it_is_blocked() {
    let mut dash = on_aws();
    dash.key('2');
    press(&mut dash, 's');
    assert!(dash.state.note.as_ref().unwrap().text.contains("no service under the cursor"));
    let mut dash = super::dash();
    dash.key('6');
    press(&mut dash, 's');
    assert!(dash.state.note.as_ref().unwrap().text.contains("there is no service here"));
    let mut snapshot = fixture::on_aws();
    snapshot.environment.is_read_only = true;
    dash.snapshot(snapshot);
    dash.code(KeyCode::Tab);
    press(&mut dash, 's');
    assert!(dash.state.note.as_ref().unwrap().text.contains("read-only"));
}

#[test]
fn the_cursor_stays_on_its_service_and_tab_goes_to_the_workers() {
    let mut dash = on_aws();
    dash.key('6');
    dash.code(KeyCode::Down);
    let here = |dash: &Harness| dash.state.get::<Workers>().item(&dash.state.model).unwrap();
    assert_eq!(here(&dash), FleetItem::Service("video-worker".into()));
    dash.code(KeyCode::Tab);
    assert_eq!(here(&dash), FleetItem::Worker("chunking-1@box".into()));
    assert!(dash.state.screen().service(&dash.state.model).is_none());
    dash.code(KeyCode::Tab);
    assert_eq!(here(&dash), FleetItem::Service("media-worker".into()));
}

#[test]
fn what_is_shown_is_written_as_it_is_filtered() {
    let mut dash = logs(20);
    for letter in "/error".chars() {
        dash.key(letter);
    }
    dash.code(KeyCode::Enter);
    let [Effect::Export(export)] = &press(&mut dash, 'w')[..] else { panic!() };
    assert_eq!(export.text.lines().count(), 2);
    assert!(export.text.starts_with("video-worker 2026-05-28 20:16:03,001 [ERROR] "), "{}", export.text);
    assert_eq!(export.name, "prod-logs-3c6ef372-1780000020.log");
    dash.input(Input::Answer(Answer::Exported(Ok("2 lines in /x".into()))));
    assert_eq!(dash.state.note.as_ref().unwrap().text, "wrote 2 lines in /x");

    dash.key('3');
    let queue = dash.state.get::<DeadLetters>().triage.queue.unwrap();
    let messages = Ok((0..6).map(message).collect());
    dash.input(Input::Answer(Answer::Messages { queue, messages }));
    dash.code(KeyCode::Tab);
    dash.key(' ');
    let [Effect::Export(export)] = &press(&mut dash, 'w')[..] else { panic!() };
    let written: Vec<stereospot_api::view::MessageView> = serde_json::from_str(&export.text).unwrap();
    assert_eq!(written, [message(1)], "the marked one");
    dash.key('4');
    assert_eq!(press(&mut dash, 'w'), []);
    assert!(dash.state.note.as_ref().unwrap().text.contains("stereospot jobs --json"));
}

#[test]
fn an_idle_service_draws_nothing() {
    let mut dash = on_aws();
    dash.draw();
    let mut services = fixture::on_aws().services;
    services[0].observed_at = NOW.plus(Duration::from_secs(30));
    dash.change(Change::Services { services: services.clone() });
    assert!(!dash.draw(), "only its age");
    services[0].running += 1;
    dash.change(Change::Services { services });
    assert!(dash.draw());
}
