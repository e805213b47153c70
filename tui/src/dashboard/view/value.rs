//! Cells of values, with their exactness and age.

use ratatui::style::Style;
use stereospot_api::view::{Observed, QueueView};
use stereospot_domain::{Collector, QueueName, Timestamp};

use super::table::Cell;
use crate::dashboard::state::State;
use crate::text;

/// A polled number: `≈` where approximate, `·` where unknown, faint where stale.
pub(crate) fn polled(state: &State, value: Option<Observed<u64>>, style: Style) -> Cell {
    match value {
        Some(seen) => {
            let mark = if seen.is_exact { "" } else { "≈" };
            let is_old = state.model.is_old(seen.at, Collector::Queues, state.now);
            Cell::new(format!("{mark}{}", text::count(seen.value)), state.theme.aged(style, is_old))
        }
        None => missing(state),
    }
}

/// Like [`polled`], for a number that should be 0: other values get a warning sign.
pub(crate) fn polled_unwanted(state: &State, value: Option<Observed<u64>>) -> Cell {
    match value {
        Some(seen) if seen.value > 0 => polled(state, value, state.theme.bad).and(" ▲", state.theme.bad),
        _ => polled(state, value, state.theme.dim).and("  ", state.theme.dim),
    }
}

/// Why a queue has no numbers: it doesn't exist, or can't be read. None while its numbers are known.
pub(crate) fn absent(state: &State, name: QueueName) -> Option<String> {
    let is_known = state.model.queue(name).is_some_and(|queue| queue.ready.is_some());
    if is_known { None } else { state.model.deployment.absent(name) }
}

/// The sign for an unknown value.
pub(crate) fn missing(state: &State) -> Cell {
    Cell::new(text::MISSING, state.theme.faint)
}

/// A value, or the sign for an unknown one; faint while the connection is stale.
pub(crate) fn live(state: &State, value: Option<String>, style: Style) -> Cell {
    match value {
        Some(value) => Cell::new(value, state.theme.aged(style, state.is_stale())),
        None => missing(state),
    }
}

/// An age.
pub(crate) fn since(state: &State, at: Option<Timestamp>, style: Style) -> Cell {
    live(state, at.map(|at| text::age(state.ago(at))), style)
}

/// When a queue's numbers were read or confirmed; none when they never were.
pub(crate) fn read_at(state: &State, queue: &QueueView) -> Option<Timestamp> {
    let values = [queue.ready, queue.in_flight, queue.delayed].into_iter().flatten();
    values.map(|value| state.model.read_at(value.at, Collector::Queues)).min()
}

/// True when a queue's numbers are stale.
pub(crate) fn is_old(state: &State, queue: &QueueView) -> bool {
    read_at(state, queue).is_none_or(|at| state.model.is_old(at, Collector::Queues, state.now))
}

/// A style, faint where a queue's numbers are stale.
pub(crate) fn aged(state: &State, queue: &QueueView, style: Style) -> Style {
    state.theme.aged(style, is_old(state, queue))
}

/// A queue's rate per minute.
pub(crate) fn rate(state: &State, queue: &QueueView, rate: Option<f32>) -> Cell {
    match rate {
        Some(rate) => Cell::new(text::rate(rate), aged(state, queue, state.theme.text)),
        None => missing(state),
    }
}

/// A queue's last half hour.
pub(crate) fn history(state: &State, queue: &QueueView, width: u16) -> Cell {
    Cell::new(text::spark(&queue.history, usize::from(width)), aged(state, queue, state.theme.accent))
}

/// When a queue will be empty: `<1m`, `4m10s`, `empty`, `growing`, `stalled`, `·`.
pub(crate) fn drains_in(state: &State, queue: &QueueView) -> Cell {
    let theme = &state.theme;
    let ready = queue.ready.map(|ready| ready.value);
    let rate = |rate: Option<f32>| rate.unwrap_or(0.0);
    let is_in_hand = queue.in_flight.is_some_and(|in_flight| in_flight.value > 0);
    let (words, style) = match (ready, queue.drains_in_secs) {
        (None, _) => (text::MISSING.to_owned(), theme.faint),
        (Some(0), _) => ("empty".to_owned(), theme.dim),
        (_, Some(secs)) if secs < 60.0 => ("<1m".to_owned(), theme.text),
        (_, Some(secs)) => {
            let left = std::time::Duration::try_from_secs_f32(secs).unwrap_or(std::time::Duration::MAX);
            (text::age(left), theme.text)
        }
        (_, None) if queue.out_per_minute.is_none() => (text::MISSING.to_owned(), theme.faint),
        // Workers are still on their first messages, so nothing can have been finished yet.
        (_, None) if rate(queue.out_per_minute) <= 0.0 && queue.consumers != Some(0) && is_in_hand => {
            (text::MISSING.to_owned(), theme.faint)
        }
        (_, None) if rate(queue.out_per_minute) <= 0.0 => ("stalled".to_owned(), theme.warn),
        _ => ("growing".to_owned(), theme.warn),
    };
    Cell::new(words, theme.aged(style, is_old(state, queue)))
}

/// The number of dead letters, highlighted unless 0.
pub(crate) fn polled_letters(state: &State, value: Option<Observed<u64>>) -> Cell {
    match value {
        Some(seen) if seen.value > 0 => polled(state, value, state.theme.bad),
        _ => polled(state, value, state.theme.dim),
    }
}
