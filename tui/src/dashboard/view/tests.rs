//! Frames as text, styles from the buffer, and every size.

use std::time::Duration;

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::style::Style;
use stereospot_api::view::Change;
use stereospot_domain::EventKind;
use stereospot_domain::plan::Action;

use crate::dashboard::effect::Answer;
use crate::dashboard::fixture::{self, detail, event, job_id, message, plan, snapshot};
use crate::dashboard::harness::Harness;
use crate::dashboard::input::{Input, Net};
use crate::dashboard::screens::DeadLetters;
use crate::dashboard::state::Overlay;
use crate::dashboard::theme::{Theme, ThemeName};

mod age;
mod discard;
mod further;
mod outside;
mod plan;

const SIZES: [(u16, u16); 3] = [(200, 50), (80, 24), (40, 10)];

/// A dashboard with all its data.
fn full(columns: u16, rows: u16) -> Harness {
    let mut dash = Harness::new(columns, rows);
    dash.snapshot(snapshot());
    let kinds =
        [EventKind::SegmentStarted, EventKind::SegmentProgress, EventKind::SegmentFailed, EventKind::SegmentCompleted];
    for number in 0..8 {
        dash.change(Change::Event(Box::new(event(number, kinds[number as usize % 4]))));
    }
    dash.pass(Duration::from_millis(400));
    dash
}

fn open(dash: &mut Harness, screen: char) {
    match screen {
        '3' => {
            dash.key('3');
            let queue = dash.state.get::<DeadLetters>().triage.queue.expect("the screen is about a queue");
            let messages = Ok((0..7).map(message).collect());
            dash.input(Input::Answer(Answer::Messages { queue, messages }));
        }
        '5' => {
            dash.key('4');
            dash.code(KeyCode::Down);
            dash.key('5');
            let events = Some((0..6).map(|number| event(number * 2 + 1, EventKind::SegmentCompleted)).collect());
            let detail = Ok(Box::new(detail()));
            dash.input(Input::Answer(Answer::Job { job_id: job_id(1), detail, events }));
        }
        other => dash.key(other),
    }
}

fn text(screen: &Buffer) -> String {
    let mut lines = Vec::new();
    for y in 0..screen.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..screen.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = screen[(x, y)].symbol();
            skip = crate::text::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// The style of the first cell of `words` on the screen.
fn style_of(screen: &Buffer, words: &str) -> Style {
    for y in 0..screen.area.height {
        for x in 0..screen.area.width {
            let mut rest = words;
            let mut at = x;
            while at < screen.area.width && !rest.is_empty() {
                let symbol = screen[(at, y)].symbol();
                let Some(after) = rest.strip_prefix(symbol) else { break };
                rest = after;
                at += 1;
            }
            if rest.is_empty() {
                return screen[(x, y)].style();
            }
        }
    }
    panic!("`{words}` is not on the screen:\n{}", text(screen));
}

#[test]
fn screens_at_three_sizes() {
    let screens =
        [('1', "pulse"), ('2', "queues"), ('3', "dlq"), ('4', "jobs"), ('5', "job"), ('6', "workers"), ('7', "events")];
    for (columns, rows) in SIZES {
        for (key, name) in screens {
            let mut dash = full(columns, rows);
            open(&mut dash, key);
            dash.draw();
            insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), text(dash.screen()));
        }
    }
}

#[test]
fn the_first_frame_needs_no_network() {
    let mut dash = Harness::new(80, 24);
    assert!(dash.draw());
    insta::assert_snapshot!("first_frame", text(dash.screen()));
}

#[test]
fn a_plan_is_shown_before_anything_is_sent() {
    for (columns, rows) in SIZES {
        let mut dash = full(columns, rows);
        open(&mut dash, '3');
        dash.key('r');
        let serial = dash.state.serial;
        let action = Action::Replay {
            queue: fixture::queue(stereospot_domain::QueueRole::Inference, true, 1).name,
            message_ids: None,
        };
        let plan = Ok(Box::new(plan(action, Some("replay 2"))));
        dash.input(Input::Answer(Answer::Plan { serial, plan }));
        dash.pass(Duration::from_secs(1));
        for letter in "replay".chars() {
            dash.key(letter);
        }
        dash.draw();
        insta::assert_snapshot!(format!("plan_{columns}x{rows}"), text(dash.screen()));
    }
}

#[test]
fn help_is_made_from_the_live_bindings() {
    let mut dash = full(200, 50);
    dash.state.keymap = crate::dashboard::keys::Keymap::from_toml("[keys]\nreplay = \"R\"").unwrap();
    dash.key('?');
    dash.draw();
    let shown = text(dash.screen());
    assert!(shown.contains(" R "), "{shown}");
    insta::assert_snapshot!("help", shown);
}

#[test]
fn what_is_stale_is_faint_and_says_so() {
    let faint = Theme::new(ThemeName::Dark, false).faint.fg;
    let mut dash = full(200, 50);
    dash.draw();
    assert_ne!(style_of(dash.screen(), "≈318").fg, faint);
    dash.input(Input::Net(Net::Lost { attempt: 2, retry_in: Duration::from_secs(4), reason: "no answer".into() }));
    dash.pass(Duration::from_secs(1));
    dash.draw();
    let shown = text(dash.screen());
    assert!(shown.contains("RECONNECTING attempt 2 in 3s, last seen 1.4s ago"), "{shown}");
    assert!(shown.contains("holiday in the dolomites"), "the last state stays");
    for value in ["≈318", "workers 2/3 busy", "14 messages: CUDA"] {
        assert_eq!(style_of(dash.screen(), value).fg, faint, "{value}");
    }
}

#[test]
fn a_late_collector_differs_from_a_live_one() {
    let mut dash = full(200, 50);
    dash.draw();
    let shown = text(dash.screen());
    assert!(shown.contains("dead-letters ▲ STALE 3m04s"), "{shown}");
    assert!(shown.contains("queues 1.4s"), "{shown}");
}

#[test]
fn production_and_read_only_stand_on_every_screen_in_words() {
    for (columns, rows) in SIZES {
        for screen in '1'..='8' {
            let mut dash = Harness::new(columns, rows);
            let mut snapshot = snapshot();
            snapshot.environment.is_production = true;
            snapshot.environment.is_read_only = true;
            dash.snapshot(snapshot);
            open(&mut dash, screen);
            dash.draw();
            let shown = text(dash.screen());
            assert!(shown.contains("PRODUCTION local"), "{shown}");
            assert!(shown.contains("READ-ONLY") || columns < 80, "{shown}");
        }
    }
}

#[test]
fn without_colour_nothing_is_lost() {
    for (key, glyphs) in [('1', vec!["✗", "!", "▲"]), ('5', vec!["█", "?", "✗", "░"])] {
        let mut dash = full(200, 50);
        dash.state.theme = Theme::new(ThemeName::Dark, true);
        open(&mut dash, key);
        dash.draw();
        let shown = text(dash.screen());
        for glyph in glyphs {
            assert!(shown.contains(glyph), "{glyph} on {key}");
        }
        let coloured = dash.screen().content().iter().find(|cell| {
            use ratatui::style::Color::Reset;
            cell.fg != Reset || cell.bg != Reset
        });
        assert_eq!(coloured, None);
    }
}

#[test]
fn every_size_works_on_every_screen() {
    let overlays = [
        Overlay::None,
        Overlay::Help { scroll: 3 },
        Overlay::Log { scroll: 0 },
        Overlay::Debug,
        Overlay::Palette { typed: "jo".into(), error: None },
        Overlay::Filter { typed: "big".into(), before: String::new() },
        Overlay::Scale { service: "video-worker".into(), typed: "12".into(), error: None },
    ];
    let mut dashes: Vec<Harness> = Vec::new();
    for screen in '1'..='7' {
        let mut dash = full(1, 1);
        open(&mut dash, screen);
        dashes.push(dash);
    }
    for screen in ['1', '2', '6', '8'] {
        let mut dash = on_aws(1, 1);
        dash.key(screen);
        dashes.push(dash);
    }
    for key in ['W', '/'] {
        let mut dash = logs(1, 1);
        dash.key(key);
        dashes.push(dash);
    }
    dashes.push(searching(1, 1));
    for overlay in overlays {
        let mut dash = full(1, 1);
        dash.state.overlay = overlay;
        dashes.push(dash);
    }
    let mut dash = full(1, 1);
    open(&mut dash, '3');
    dash.key('r');
    let queue = fixture::queue(stereospot_domain::QueueRole::Inference, true, 1).name;
    let plan = Ok(Box::new(plan(Action::Purge { queue, message_ids: None }, None)));
    let serial = dash.state.serial;
    dash.input(Input::Answer(Answer::Plan { serial, plan }));
    dashes.push(dash);
    dashes.push(Harness::new(1, 1));
    for (number, dash) in dashes.iter().enumerate() {
        for columns in 1..=220u16 {
            for rows in 1..=60u16 {
                // All small sizes; of the others each dashboard gets its own share, so that together they cover most of them.
                let is_small = columns <= 16 || rows <= 5;
                if !is_small && !(columns * 61 + rows * 7 + number as u16).is_multiple_of(47) {
                    continue;
                }
                let area = ratatui::layout::Rect::new(0, 0, columns, rows);
                let mut buffer = Buffer::empty(area);
                super::draw(&dash.state, &mut crate::dashboard::canvas::Canvas::new(&mut buffer, area));
            }
        }
    }
}

#[test]
fn only_a_change_is_drawn() {
    let mut dash = full(80, 24);
    assert!(dash.draw());
    assert!(!dash.draw(), "nothing changed");
    for _ in 0..500 {
        dash.change(Change::Job(Box::new(fixture::stuck_job())));
    }
    assert!(dash.draw());
    assert!(!dash.draw(), "500 changes, one frame");
    dash.pass(Duration::from_millis(100));
    for collector in snapshot().collectors.drain(..2) {
        dash.change(Change::Collector(collector));
    }
    dash.change(Change::Queue(fixture::queue(stereospot_domain::QueueRole::Inference, false, 318)));
    dash.change(Change::Queue(fixture::queue(stereospot_domain::QueueRole::Inference, false, 318)));
    dash.draw();
    dash.change(Change::Queue(fixture::queue(stereospot_domain::QueueRole::Inference, false, 318)));
    assert!(!dash.draw(), "no second has passed, and nothing but ages has changed");
    dash.pass(Duration::from_secs(1));
    let before = dash.screen().clone();
    assert!(dash.draw(), "the ages");
    let changed = before.diff(dash.screen()).len();
    assert!(changed < 80, "an idle second changes {changed} cells");
}

/// A dashboard that watches a deployment on AWS.
fn on_aws(columns: u16, rows: u16) -> Harness {
    let mut dash = Harness::new(columns, rows);
    dash.snapshot(fixture::on_aws());
    dash.input(Input::Answer(Answer::Deployment(Ok(Box::new(fixture::deployment())))));
    dash.pass(Duration::from_millis(400));
    dash
}

/// The logs of the stuck job, after 12 seconds of searching.
fn searching(columns: u16, rows: u16) -> Harness {
    let mut dash = on_aws(columns, rows);
    dash.key('4');
    dash.code(KeyCode::Down);
    dash.key('v');
    dash.pass(Duration::from_secs(12));
    dash
}

fn logs(columns: u16, rows: u16) -> Harness {
    let mut dash = searching(columns, rows);
    let page = Ok(fixture::log_page(200));
    dash.input(Input::Answer(Answer::Logs { job_id: job_id(1), page }));
    dash
}

#[test]
fn a_deployment_at_three_sizes() {
    for (columns, rows) in SIZES {
        let mut screens = vec![("logs_searching", searching(columns, rows)), ("logs", logs(columns, rows))];
        let mut wrapped = logs(columns, rows);
        wrapped.key('W');
        wrapped.key('E');
        screens.push(("logs_wrapped", wrapped));
        for (key, name) in [('1', "aws_pulse"), ('2', "aws_queues"), ('6', "aws_workers"), ('8', "aws_deployment")] {
            let mut dash = on_aws(columns, rows);
            dash.key(key);
            screens.push((name, dash));
        }
        let mut scale = on_aws(columns, rows);
        for key in ['6', 'j', 's', '2'] {
            scale.key(key);
        }
        screens.push(("aws_scale", scale));
        for (name, mut dash) in screens {
            dash.draw();
            insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), text(dash.screen()));
        }
    }
}

#[test]
fn a_queue_that_is_not_deployed_is_no_empty_queue() {
    let mut dash = on_aws(200, 50);
    dash.key('2');
    dash.draw();
    let shown = text(dash.screen());
    let line = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line(" output-events ").contains("not deployed"), "{shown}");
    assert!(!line(" output-events ").contains(" 0"), "{shown}");
    assert!(!line(" reassembly ").contains("not deployed"), "{shown}");
    assert!(shown.contains(" not deployed: output-events-dlq"), "{shown}");
}

#[test]
fn grave_log_lines_differ_by_word_and_colour() {
    let mut dash = logs(200, 50);
    dash.draw();
    let theme = Theme::new(ThemeName::Dark, false);
    assert_eq!(style_of(dash.screen(), "ERROR").fg, theme.bad.fg);
    assert_eq!(style_of(dash.screen(), "WARN").fg, theme.warn.fg);
    dash.state.theme = Theme::new(ThemeName::Dark, true);
    dash.key('k');
    dash.draw();
    assert!(text(dash.screen()).contains(" ERROR  "));
}

#[test]
fn a_running_search_shows_its_seconds_and_what_it_read() {
    let mut dash = searching(120, 30);
    dash.draw();
    assert!(text(dash.screen()).contains("searching … 12s, esc stops it"), "{}", text(dash.screen()));
    let mut dash = logs(120, 30);
    dash.draw();
    let shown = text(dash.screen());
    assert!(shown.contains("48.2 MB scanned") && shown.contains("200 lines"), "{shown}");
    assert!(shown.contains("not searched: /ecs/stereo-spot/job-worker"), "{shown}");
}

#[test]
fn the_header_says_where_the_deployment_is() {
    let mut dash = on_aws(200, 50);
    dash.draw();
    let shown = text(dash.screen());
    assert!(shown.starts_with(" prod  control plane ● LIVE 0.4s │ eu-west-1 stereo-spot topology B │ "), "{shown}");
}
