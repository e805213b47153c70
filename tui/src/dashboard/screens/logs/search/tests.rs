use super::*;
use crate::dashboard::fixture::{NOW, job_id, log_line, log_page};

fn logs() -> LogSearch {
    let mut logs = LogSearch::new(job_id(1));
    assert_eq!(logs.due(true, Duration::ZERO), Some(Effect::SearchLogs { job_id: job_id(1) }));
    logs.fill(Ok(log_page(20)), NOW, Duration::from_secs(12));
    logs
}

#[test]
fn the_level_is_read_out_of_each_shape_of_line() {
    let check = |text: &str, level: Option<Level>, says: &str| {
        let entry = &entries(job_id(1), vec![log_line(0, text)])[0];
        assert_eq!((entry.level, &*entry.says), (level, says), "{text}");
    };
    check("2026-05-28T20:26:40.1Z [INFO] inference-1/x: job_id=1", Some(Level::Info), "job_id=1");
    check("2026-05-28 20:26:40,123 [WARNING] app: slow", Some(Level::Warning), "slow");
    check("2026-05-28 20:26:40,123 [ERROR]  app: boom\n", Some(Level::Error), "boom");
    check(&format!("x [INFO] a: job_id={} segment_index=3 b", job_id(1)), Some(Level::Info), "segment_index=3 b");
    check(&format!("x [INFO] a: job.completed job_id={}", job_id(1)), Some(Level::Info), "job.completed");
    check("x [INFO] two words: c", Some(Level::Info), "two words: c");
    check("x [INFO]", Some(Level::Info), "");
    check("CRITICAL: no memory", Some(Level::Error), "CRITICAL: no memory");
    check("DEBUG x", Some(Level::Debug), "DEBUG x");
    check("  File \"a.py\", line 3", None, "  File \"a.py\", line 3");
    check("[segments] of ERROR", None, "[segments] of ERROR");
    check("日本語 [ERROR", None, "日本語 [ERROR");
    check("", None, "");
}

#[test]
fn nothing_is_searched_unless_asked_for() {
    let mut logs = logs();
    for secs in 12..1000 {
        assert_eq!(logs.due(true, Duration::from_secs(secs)), None);
    }
    logs.follows = true;
    assert_eq!(logs.next_in(true, Duration::from_secs(20)), Some(Duration::from_secs(22)));
    assert_eq!(logs.due(true, Duration::from_secs(41)), None, "paid searches rest for half a minute");
    assert!(logs.due(true, Duration::from_secs(42)).is_some());
    assert_eq!(logs.due(true, Duration::from_secs(500)), None, "one at a time");
    assert!(logs.stop(Duration::from_secs(500)));
    assert!(!logs.follows && !logs.stop(Duration::from_secs(501)));
    assert_eq!(logs.due(true, Duration::from_secs(5000)), None, "stopping ends following");
}

#[test]
fn the_cursor_stays_on_its_line_when_lines_come_late() {
    let mut logs = logs();
    assert_eq!(logs.index(), Some(19), "the end is shown first");
    logs.select(4);
    let text = logs.under_cursor().unwrap().line.text.clone();
    let mut page = log_page(20);
    page.lines.insert(0, log_line(0, "late"));
    page.lines.push(page.lines[20].clone());
    logs.fill(Ok(page), NOW, Duration::from_secs(60));
    assert_eq!(logs.index(), Some(5));
    assert_eq!(logs.under_cursor().unwrap().line.text, text);
    assert_eq!((logs.searches, logs.scanned), (2, 2 * log_page(0).bytes_scanned));
    logs.seek_end();
    assert_eq!(logs.index(), Some(21), "the same line twice is two lines");
}

#[test]
fn a_search_that_failed_takes_nothing_away() {
    let mut logs = logs();
    logs.ask();
    logs.due(true, Duration::from_secs(90));
    logs.fill(Err("access denied".into()), NOW, Duration::from_secs(91));
    assert_eq!((logs.len(), logs.error.as_deref()), (20, Some("access denied")));
    assert!(!logs.is_searching());
}

#[test]
fn filters_hold_for_the_next_search() {
    let mut logs = logs();
    logs.set_filter("!info");
    let bad = logs.shown_len();
    assert!(bad > 0 && bad < 20 && (0..bad).all(|at| logs.shown(at).level != Some(Level::Info)));
    logs.fill(Ok(log_page(40)), NOW, Duration::from_secs(60));
    assert_eq!(logs.shown_len(), bad * 2);
    logs.set_filter("video-worker");
    assert_eq!(logs.shown_len(), 40, "the source too");
}
