//! Remembers where things were drawn, so that a click finds its target.
//!
//! Off until the operator turns it on: while a program captures the mouse, the terminal can't select text.

use std::cell::RefCell;

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::keys::Command;

/// What a click can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A tab: the screen that this command opens.
    Tab(Command),
    /// An entry of one of the screen's clickable lists, which it numbers as sections.
    Row { section: usize, at: usize },
}

/// The targets of the last frame.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    areas: RefCell<Vec<(Rect, Target)>>,
}

impl Hits {
    /// Starts a new frame.
    pub(crate) fn clear(&self) {
        self.areas.borrow_mut().clear();
    }

    /// A click on this part of the canvas means `target`.
    pub(crate) fn put(&self, canvas: &Canvas<'_>, (x, y, width): (u16, u16, u16), target: Target) {
        let area = canvas.area();
        let hit = Rect { x: area.x.saturating_add(x), y: area.y.saturating_add(y), width, height: 1 };
        let hit = hit.intersection(area);
        if !hit.is_empty() {
            self.areas.borrow_mut().push((hit, target));
        }
    }

    /// Rows from `y` on are the section's entries from `top` on.
    pub(crate) fn rows(&self, canvas: &Canvas<'_>, y: u16, section: usize, (top, count): (usize, usize)) {
        for (y, at) in (y..canvas.height()).zip(top..count) {
            self.put(canvas, (0, y, canvas.width()), Target::Row { section, at });
        }
    }

    /// The target at a position.
    pub(crate) fn at(&self, x: u16, y: u16) -> Option<Target> {
        let areas = self.areas.borrow();
        // What was drawn last is on top.
        areas.iter().rev().find(|(area, _)| area.contains((x, y).into())).map(|(_, target)| *target)
    }
}
