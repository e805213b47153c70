//! The panes of the job's screen, and the cursor in them.

use std::cell::Cell;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pane {
    #[default]
    Segments,
    Diagnosis,
    Timeline,
    Events,
}

impl Pane {
    pub(super) const ALL: [Pane; 4] = [Pane::Segments, Pane::Diagnosis, Pane::Timeline, Pane::Events];

    pub(super) fn name(self) -> &'static str {
        match self {
            Pane::Segments => "SEGMENTS",
            Pane::Diagnosis => "DIAGNOSIS",
            Pane::Timeline => "TIMELINE",
            Pane::Events => "EVENTS",
        }
    }

    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|pane| *pane == self).expect("ALL holds every pane");
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// The active pane, and the cursor in each.
#[derive(Debug)]
pub(crate) struct Panes {
    pub(super) pane: Pane,
    /// The selected segment; the next read may have fewer.
    pub(crate) segment: usize,
    /// Columns of the segment grid, as last drawn: moving down adds this number.
    pub(super) grid_columns: Cell<usize>,
    /// First line shown of diagnosis, timeline and events; events count from the newest.
    scroll: usize,
    /// How far these can scroll, as last drawn.
    last_scroll: Cell<usize>,
}

impl Default for Panes {
    fn default() -> Self {
        Self { pane: Pane::default(), segment: 0, grid_columns: Cell::new(1), scroll: 0, last_scroll: Cell::new(0) }
    }
}

impl Panes {
    pub(super) fn next(&mut self) {
        (self.pane, self.scroll) = (self.pane.next(), 0);
    }

    /// The first line to show of a pane with so many lines; stores how far it can scroll.
    pub(super) fn first_line(&self, pane: Pane, lines: usize) -> usize {
        if self.pane != pane {
            return 0;
        }
        self.last_scroll.set(lines.saturating_sub(1));
        self.scroll.min(lines.saturating_sub(1))
    }

    /// Moves within the pane. In the grid, right and down follow the order of the segments.
    pub(super) fn step(&mut self, rows: isize, columns: isize, segments: usize) {
        if self.pane == Pane::Segments {
            let by = rows * self.grid_columns.get() as isize + columns;
            let last = segments.saturating_sub(1);
            self.segment = self.segment.min(last).saturating_add_signed(by).min(last);
        } else {
            self.scroll = self.scroll.saturating_add_signed(rows).min(self.last_scroll.get());
        }
    }
}
