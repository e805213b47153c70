//! The heading of a pane.

use super::panes::{Pane, Panes};
use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;

/// Draws a pane's heading; the active one is marked.
pub(super) fn draw(state: &State, panes: &Panes, pane: Pane, more: &str, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let mark = if panes.pane == pane { "▸ " } else { "" };
    canvas.heading(0, &format!("{mark}{}{more}", pane.name()), theme.title, theme.faint);
}
