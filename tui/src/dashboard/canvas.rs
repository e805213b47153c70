//! Drawing that can't leave its area: whatever doesn't fit is cut. Every text on the screen passes here, so texts from outside are
//! made harmless here too.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::text;

/// A rectangle to draw in, with its own origin. Positions outside it are ignored.
pub(crate) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Canvas<'a> {
    /// A canvas over `area`, clipped to the buffer.
    pub(crate) fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    /// Its position on the screen.
    pub(crate) fn area(&self) -> Rect {
        self.area
    }

    pub(crate) fn width(&self) -> u16 {
        self.area.width
    }

    pub(crate) fn height(&self) -> u16 {
        self.area.height
    }

    /// A part of this canvas, clipped to it.
    pub(crate) fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'_> {
        let x = x.min(self.area.width);
        let y = y.min(self.area.height);
        let area = Rect {
            x: self.area.x + x,
            y: self.area.y + y,
            width: width.min(self.area.width - x),
            height: height.min(self.area.height - y),
        };
        Canvas { buffer: self.buffer, area }
    }

    /// Writes a text, cut with an ellipsis at the right edge. Returns the column after it.
    pub(crate) fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.text_within(x, y, self.area.width.saturating_sub(x), text, style)
    }

    /// Like [`Canvas::text`], in at most `columns`.
    pub(crate) fn text_within(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let room = usize::from(columns.min(self.area.width - x));
        let shown = text::shown(text);
        let cut = text::truncate(&shown, room);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, cut, room, style);
        end - self.area.x
    }

    /// Writes a text that ends before column `end`; nothing if it doesn't fit.
    pub(crate) fn text_right(&mut self, end: u16, y: u16, text: &str, style: Style) {
        let text = &text::shown(text);
        let columns = text::width(text);
        if let Some(x) = usize::from(end.min(self.area.width)).checked_sub(columns) {
            self.text(x as u16, y, text, style);
        }
    }

    /// Adds a style to a row.
    pub(crate) fn style_row(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            self.buffer.set_style(Rect { y: self.area.y + y, height: 1, ..self.area }, style);
        }
    }

    /// Clears the area and sets its style.
    pub(crate) fn clear(&mut self, style: Style) {
        for y in self.area.top()..self.area.bottom() {
            // A wide character that reaches in from the left would cover the first column.
            if let Some(x) = self.area.left().checked_sub(1)
                && let Some(cell) = self.buffer.cell_mut((x, y))
                && text::width(cell.symbol()) > 1
            {
                cell.set_symbol(" ");
            }
        }
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                self.buffer[(x, y)].reset();
            }
        }
        self.buffer.set_style(self.area, style);
    }

    /// Draws a section's heading: its title, then a line to the right edge.
    pub(crate) fn heading(&mut self, y: u16, title: &str, title_style: Style, line_style: Style) -> u16 {
        let x = self.text(1, y, title, title_style);
        let room = self.area.width.saturating_sub(x + 1);
        self.text(x + 1, y, &"─".repeat(usize::from(room)), line_style);
        x
    }

    /// Draws a frame around the area and returns the canvas inside it.
    pub(crate) fn frame(&mut self, title: &str, title_style: Style, line_style: Style) -> Canvas<'_> {
        let (width, height) = (self.area.width, self.area.height);
        if width < 2 || height < 2 {
            return self.part(0, 0, width, height);
        }
        // An underlined frame, as a severity has it without colours, would be two lines.
        let [title_style, line_style] =
            [title_style, line_style].map(|style| style.remove_modifier(Modifier::UNDERLINED));
        let line = "─".repeat(usize::from(width - 2));
        self.text(0, 0, &format!("┌{line}┐"), line_style);
        self.text(0, height - 1, &format!("└{line}┘"), line_style);
        for y in 1..height - 1 {
            self.text(0, y, "│", line_style);
            self.text(width - 1, y, "│", line_style);
        }
        if !title.is_empty() && width > 6 {
            self.text_within(2, 0, width - 4, &format!(" {title} "), title_style);
        }
        self.part(1, 1, width - 2, height - 2)
    }
}
