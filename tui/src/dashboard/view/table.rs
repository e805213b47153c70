//! Tables that drop columns, not rows, on a narrow terminal, and that build only the visible rows.
//!
//! A column is one value: its title, its width and priority, and the function that makes its cell from a row.

use std::borrow::{Borrow, Cow};

use ratatui::style::Style;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::dashboard::theme::Theme;
use crate::text;

/// Makes a column's cell from a row, for a width.
type MakeCell<Row> = fn(&State, &Row, u16) -> Cell;

/// A column of rows of one kind.
pub(crate) struct Column<Row> {
    title: &'static str,
    /// For a stretching column, its least width.
    width: u16,
    /// The width up to which it takes free space; 0 where it doesn't stretch.
    stretch: u16,
    is_right: bool,
    /// When space is short, the columns with the greatest number go first; 0 always stays.
    priority: u8,
    /// True where its cell stays in a row whose other cells a note replaces.
    is_beside_note: bool,
    cell: MakeCell<Row>,
}

/// A column of fixed width.
pub(crate) const fn column<Row>(title: &'static str, width: u16, priority: u8, cell: MakeCell<Row>) -> Column<Row> {
    Column { title, width, stretch: 0, is_right: false, priority, is_beside_note: false, cell }
}

/// A column of fixed width for numbers.
pub(crate) const fn number<Row>(title: &'static str, width: u16, priority: u8, cell: MakeCell<Row>) -> Column<Row> {
    Column { is_right: true, ..column(title, width, priority, cell) }
}

/// A column that takes free space, up to `most`.
pub(crate) const fn stretching<Row>(
    title: &'static str,
    width: u16,
    most: u16,
    priority: u8,
    cell: MakeCell<Row>,
) -> Column<Row> {
    Column { stretch: most, ..column(title, width, priority, cell) }
}

/// The same column; its cell stays in a row that is otherwise a note.
pub(crate) const fn beside_note<Row>(column: Column<Row>) -> Column<Row> {
    Column { is_beside_note: true, ..column }
}

/// The text of one column in one row.
#[derive(Default)]
pub(crate) struct Cell(Vec<(Cow<'static, str>, Style)>);

impl Cell {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>, style: Style) -> Self {
        Self(vec![(text.into(), style)])
    }

    pub(crate) fn and(mut self, text: impl Into<Cow<'static, str>>, style: Style) -> Self {
        self.0.push((text.into(), style));
        self
    }

    /// True where it shows nothing, or only that nothing is known.
    fn is_empty(&self) -> bool {
        self.0.iter().all(|(part, _)| part.trim().is_empty() || *part == text::MISSING)
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(part, _)| text::width(part)).sum()
    }
}

/// A visible column and its position.
struct Placed<'c, Row> {
    column: &'c Column<Row>,
    x: u16,
    width: u16,
}

/// The gap between two columns.
const GAP: u16 = 2;

/// Chooses the columns that fit into `width` and places them. A stretching column that `is_empty` in every visible row is no wider
/// than its title, so that the others get its space.
fn arrange<Row>(columns: &[Column<Row>], width: u16, is_empty: impl Fn(&Column<Row>) -> bool) -> Vec<Placed<'_, Row>> {
    let mut kept: Vec<&Column<Row>> = columns.iter().collect();
    let needed = |widths: &[u16]| widths.iter().sum::<u16>() + GAP * (widths.len() as u16).saturating_sub(1);
    let widths_of = |kept: &[&Column<Row>]| kept.iter().map(|column| column.width).collect::<Vec<_>>();
    while needed(&widths_of(&kept)) > width {
        let least = (0..kept.len()).filter(|at| kept[*at].priority > 0).max_by_key(|at| kept[*at].priority);
        let Some(least) = least else { break };
        kept.remove(least);
    }
    let mut widths = widths_of(&kept);
    let mut most: Vec<u16> = kept.iter().map(|column| column.stretch).collect();
    for (at, column) in kept.iter().enumerate().filter(|(_, column)| column.stretch > 0 && is_empty(column)) {
        widths[at] = column.width.min(column.title.len() as u16);
        most[at] = widths[at];
    }
    let mut left = width.saturating_sub(needed(&widths));
    // The stretching columns share the free space equally, as far as each may grow.
    loop {
        let growing: Vec<usize> = (0..kept.len()).filter(|at| most[*at] > widths[*at]).collect();
        if growing.is_empty() || left == 0 {
            break;
        }
        let share = (left / growing.len() as u16).max(1);
        for at in growing {
            let by = share.min(most[at] - widths[at]).min(left);
            widths[at] += by;
            left -= by;
        }
    }
    let mut x = 0;
    kept.into_iter()
        .zip(widths)
        .map(|(column, width)| {
            let placed = Placed { column, x, width };
            x += width + GAP;
            placed
        })
        .collect()
}

/// The rows of a table.
pub(crate) struct Rows {
    /// The number of the list, by which the screen identifies it in a click.
    pub section: usize,
    pub count: usize,
    pub selected: Option<usize>,
    /// The first visible row.
    pub top: usize,
}

/// Draws titles and rows. `row` is called for visible rows only.
pub(crate) fn draw<Row, Held: Borrow<Row>>(
    state: &State,
    canvas: &mut Canvas<'_>,
    columns: &[Column<Row>],
    rows: &Rows,
    row: impl Fn(usize) -> Held,
) {
    draw_with_notes(state, canvas, columns, rows, row, |_, _| None);
}

/// Like [`draw`]; `note` may replace a row's cells by a text.
pub(crate) fn draw_with_notes<Row, Held: Borrow<Row>>(
    state: &State,
    canvas: &mut Canvas<'_>,
    columns: &[Column<Row>],
    rows: &Rows,
    row: impl Fn(usize) -> Held,
    note: impl Fn(&State, &Row) -> Option<(String, Style)>,
) {
    let theme = &state.theme;
    state.hits.rows(canvas, 1, rows.section, (rows.top, rows.count));
    let seen = usize::from(canvas.height().saturating_sub(1));
    let visible = || (rows.top..rows.count).take(seen);
    let is_empty = |column: &Column<Row>| {
        visible().all(|index| {
            let held = row(index);
            note(state, held.borrow()).is_some() || (column.cell)(state, held.borrow(), column.width).is_empty()
        })
    };
    let placed = arrange(columns, canvas.width().saturating_sub(3), is_empty);
    for place in &placed {
        if place.column.is_right {
            canvas.text_right(1 + place.x + place.width, 0, place.column.title, theme.dim);
        } else {
            canvas.text_within(1 + place.x, 0, place.width, place.column.title, theme.dim);
        }
    }
    for (line, index) in visible().enumerate() {
        let y = line as u16 + 1;
        let held = row(index);
        let row = held.borrow();
        let note = note(state, row);
        for place in placed.iter().filter(|place| note.is_none() || place.column.is_beside_note) {
            put(canvas, y, place, &(place.column.cell)(state, row, place.width));
        }
        if let Some((words, style)) = note {
            put_note(canvas, y, &placed, &words, style);
        }
        if rows.selected == Some(index) {
            canvas.text(0, y, "▌", theme.accent);
            canvas.style_row(y, theme.selected);
        }
    }
    scrollbar(canvas, theme, rows, seen);
}

fn put<Row>(canvas: &mut Canvas<'_>, y: u16, place: &Placed<'_, Row>, cell: &Cell) {
    let room = usize::from(place.width);
    let used = cell.width().min(room);
    let mut x = 1 + place.x + if place.column.is_right { (room - used) as u16 } else { 0 };
    let end = 1 + place.x + place.width;
    for (part, style) in &cell.0 {
        x = canvas.text_within(x, y, end.saturating_sub(x), part, *style);
    }
}

/// Writes a note from the first column that it replaces to the next one that it doesn't.
fn put_note<Row>(canvas: &mut Canvas<'_>, y: u16, placed: &[Placed<'_, Row>], words: &str, style: Style) {
    let mut replaced = placed.iter().skip_while(|place| place.column.is_beside_note);
    let Some(first) = replaced.next() else { return };
    let end = replaced.find(|place| place.column.is_beside_note).map_or(canvas.width(), |place| place.x);
    canvas.text_within(1 + first.x, y, end.saturating_sub(1 + first.x), words, style);
}

/// Shows at the right edge which part of the rows is visible.
fn scrollbar(canvas: &mut Canvas<'_>, theme: &Theme, rows: &Rows, seen: usize) {
    if rows.count <= seen || seen == 0 {
        return;
    }
    let x = canvas.width().saturating_sub(1);
    let thumb = (seen * seen / rows.count).max(1);
    let first = rows.top * (seen - thumb) / (rows.count - seen).max(1);
    for line in 0..seen {
        let is_thumb = (first..first + thumb).contains(&line);
        let (glyph, style) = if is_thumb { ("█", theme.dim) } else { ("│", theme.faint) };
        canvas.text(x, line as u16 + 1, glyph, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_go_by_priority_and_the_rest_stretches() {
        let empty: MakeCell<()> = |_, _, _| Cell::default();
        let columns = [
            column("a", 4, 0, empty),
            stretching("b", 4, 30, 0, empty),
            number("c", 6, 2, empty),
            number("d", 6, 1, empty),
        ];
        let kept = |width| {
            let placed = arrange(&columns, width, |_| false);
            placed.iter().map(|place| (place.column.title, place.width)).collect::<Vec<_>>()
        };
        assert_eq!(kept(26), [("a", 4), ("b", 4), ("c", 6), ("d", 6)]);
        assert_eq!(kept(25), [("a", 4), ("b", 11), ("d", 6)]);
        assert_eq!(kept(10), [("a", 4), ("b", 4)]);
        assert_eq!(kept(0), [("a", 4), ("b", 4)]);
        assert_eq!(kept(200)[1], ("b", 30));
    }

    #[test]
    fn an_empty_column_leaves_its_room_to_the_others() {
        let empty: MakeCell<()> = |_, _, _| Cell::default();
        let columns = [stretching("title", 10, 34, 0, empty), stretching("wrong", 14, 60, 0, empty)];
        let widths = |is_empty: fn(&Column<()>) -> bool| {
            arrange(&columns, 45, is_empty).iter().map(|place| place.width).collect::<Vec<_>>()
        };
        assert_eq!(widths(|_| false), [20, 23]);
        assert_eq!(widths(|column| column.title == "wrong"), [34, 5]);
    }
}
