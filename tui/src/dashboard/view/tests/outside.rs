//! Texts from outside, cut texts, and one state shown in several places.

use super::*;

/// The screen of the stuck job, changed.
fn job_screen(columns: u16, change: impl FnOnce(&mut stereospot_api::view::JobView)) -> String {
    let mut dash = full(columns, 24);
    open(&mut dash, '5');
    let mut view = fixture::stuck_job();
    change(&mut view);
    dash.change(Change::Job(Box::new(view.clone())));
    let detail = Ok(Box::new(stereospot_api::view::JobDetail { view, ..detail() }));
    dash.input(Input::Answer(Answer::Job { job_id: job_id(1), detail, events: None }));
    dash.draw();
    text(dash.screen())
}

#[test]
fn a_failed_job_is_not_shown_as_sound() {
    let shown = job_screen(160, |view| {
        view.job.status = stereospot_domain::JobStatus::Failed;
        view.job.error = Some("no such codec".into());
        view.findings.clear();
    });
    assert!(shown.contains("✗ failed: no such codec") && !shown.contains("nothing is found wrong"), "{shown}");
}

#[test]
fn a_long_title_leaves_room_for_the_status_and_a_long_reason_says_that_it_goes_on() {
    let shown = job_screen(80, |view| {
        view.job.title = Some("long ".repeat(40));
        view.job.error = Some("word ".repeat(100));
    });
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[2].contains("…  converting"), "{shown}");
    assert!(lines.iter().any(|line| line.contains("word…")), "{shown}");
}

#[test]
fn a_title_from_outside_is_one_harmless_line() {
    let title = "a\nb\u{202e}c\u{1b}[2J👩\u{200d}👧";
    for columns in [80, 160] {
        let shown = job_screen(columns, |view| view.job.title = Some(title.into()));
        assert!(shown.contains("a␊bc␛[2J👩👧"), "{shown}");
    }
}

#[test]
fn help_scrolls_to_its_end_and_back() {
    let mut dash = full(80, 24);
    dash.key('?');
    dash.draw();
    for (key, first) in
        [(KeyCode::End, "quit"), (KeyCode::Up, "redraw"), (KeyCode::Home, "pulse"), (KeyCode::PageDown, "?")]
    {
        dash.code(key);
        dash.draw();
        let shown = text(dash.screen());
        assert!(shown.contains("KEYS") && shown.contains(first), "{key:?}: {shown}");
    }
}

#[test]
fn a_frame_is_never_underlined() {
    let mut dash = full(80, 24);
    dash.state.theme = Theme::new(ThemeName::Dark, true);
    open(&mut dash, '3');
    dash.key('x');
    let serial = dash.state.serial;
    dash.input(Input::Answer(Answer::Plan { serial, plan: Err("refused".into()) }));
    dash.draw();
    let frame = ["┌", "─", "┐", "│", "└", "┘"];
    let underlined = dash.screen().content().iter().filter(|cell| frame.contains(&cell.symbol()));
    assert!(!underlined.into_iter().any(|cell| cell.modifier.contains(ratatui::style::Modifier::UNDERLINED)));
}

/// An action that began so many seconds before now.
fn applied(secs: u64, is_finished: bool) -> Box<stereospot_domain::plan::AppliedPlan> {
    let queue = fixture::queue(stereospot_domain::QueueRole::Inference, true, 1).name;
    let mut plan = plan(Action::Replay { queue, message_ids: None }, None);
    plan.id = uuid::Uuid::from_u128(u128::from(secs));
    plan.scope = "a scope with many words ".repeat(6);
    let applied_at = fixture::NOW.minus(Duration::from_secs(secs));
    Box::new(stereospot_domain::plan::AppliedPlan {
        plan,
        applied_by: format!("operator-{secs}"),
        applied_at,
        finished_at: is_finished.then_some(applied_at),
        results: Vec::new(),
        undo_until: None,
    })
}

#[test]
fn the_action_log_is_in_the_order_of_the_beginnings_and_says_when_and_who() {
    let mut dash = full(80, 24);
    for (secs, is_finished) in [(400, false), (100, true), (200, true), (400, true)] {
        dash.change(Change::Action(applied(secs, is_finished)));
    }
    dash.key('a');
    dash.draw();
    let shown = text(dash.screen());
    let at = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words}: {shown}"));
    assert!(at("operator-100") < at("operator-200") && at("operator-200") < at("operator-400"), "{shown}");
    assert!(shown.contains("1m40s  operator-100  replay  a scope") && shown.contains('…'), "{shown}");
}

#[test]
fn what_is_counted_at_work_is_listed() {
    let mut dash = Harness::new(80, 24);
    let mut nothing = snapshot();
    nothing.jobs.clear();
    dash.snapshot(nothing);
    dash.key('p');
    dash.change(Change::Job(Box::new(fixture::stuck_job())));
    dash.draw();
    let shown = text(dash.screen());
    assert!(shown.contains("JOBS AT WORK (0)") && shown.contains("none:"), "{shown}");
}

#[test]
fn a_next_step_is_shown_whole_at_the_cost_of_the_evidence() {
    let mut dash = full(100, 24);
    let mut items = snapshot().attention;
    items[1].evidence = "evidence ".repeat(20);
    items[1].next = vec![stereospot_domain::attention::Step::SetClock];
    dash.change(Change::Attention { attention: items });
    dash.draw();
    let shown = text(dash.screen());
    assert!(
        shown.contains("times shown are AWS's, but S3 refuses calls from 15 min off") && shown.contains('…'),
        "{shown}"
    );
}

#[test]
fn what_was_left_out_of_the_video_is_on_the_jobs_screen() {
    use stereospot_domain::Warning;
    for columns in [80, 160] {
        let mut dash = full(columns, 24);
        open(&mut dash, '5');
        let mut view = fixture::stuck_job();
        view.findings.clear();
        dash.change(Change::Job(Box::new(view.clone())));
        let warnings = vec![Warning::Deinterlaced.into(), Warning::CaptionsLost.into()];
        let detail = Ok(Box::new(stereospot_api::view::JobDetail { view, warnings, ..detail() }));
        dash.input(Input::Answer(Answer::Job { job_id: job_id(1), detail, events: None }));
        dash.draw();
        let shown = text(dash.screen());
        assert!(shown.contains("! the source is interlaced"), "{shown}");
        let rest = if columns < 120 { "(and 1 more)" } else { "carries closed captions" };
        assert!(shown.contains(rest), "{shown}");
    }
}

#[test]
fn a_next_step_that_is_longer_than_its_line_goes_below_it() {
    use stereospot_domain::attention::{Step, Subject};
    use stereospot_domain::{QueueName, QueueRole};
    let queue = QueueName::main(QueueRole::Reassembly);
    for columns in [80, 200] {
        let mut dash = full(columns, 24);
        let mut attention = fixture::snapshot().attention;
        attention[0].next = vec![Step::Provision { queue, is_provisioned: Some(true) }];
        attention[0].about = Subject::Queue { queue };
        dash.change(Change::Attention { attention });
        dash.draw();
        let shown = text(dash.screen());
        let words: Vec<&str> = shown.split_whitespace().collect();
        let command = "stereospot provision makes it again; a wrong name or region: correct the environment file";
        let step: Vec<&str> = command.split(' ').collect();
        assert!(words.windows(step.len()).any(|window| window == step) || columns == 80, "{shown}");
        assert!(columns != 80 || shown.contains("→ stereospot provision makes it again; a wrong name or"), "{shown}");
        assert!(shown.contains("environment file") && shown.contains("job 3c6ef372 stuck"), "{shown}");
    }
}
