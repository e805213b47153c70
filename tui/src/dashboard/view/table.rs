//! Tables that lose columns, not rows, when the terminal is narrow, and that look only at the rows they show.

use std::borrow::Cow;

use ratatui::style::Style;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::theme::Theme;
use crate::text;

/// A column.
pub(super) struct Column {
    pub title: &'static str,
    /// Its width; the least one for the column that takes what is left.
    pub width: u16,
    pub is_right: bool,
    /// Columns with a greater number go first when there is no room; 0 stays.
    pub priority: u8,
    /// Takes what is left, up to this width; 0 takes nothing.
    pub stretch: u16,
}

/// A column of fixed width.
pub(super) const fn column(title: &'static str, width: u16, priority: u8) -> Column {
    Column { title, width, is_right: false, priority, stretch: 0 }
}

/// The same, for numbers.
pub(super) const fn number(title: &'static str, width: u16, priority: u8) -> Column {
    Column { title, width, is_right: true, priority, stretch: 0 }
}

/// A column that takes what is left, up to `most`.
pub(super) const fn stretching(title: &'static str, width: u16, most: u16, priority: u8) -> Column {
    Column { title, width, is_right: false, priority, stretch: most }
}

/// What stands in one place of a row.
#[derive(Default)]
pub(super) struct Cell(Vec<(Cow<'static, str>, Style)>);

impl Cell {
    pub(super) fn new(text: impl Into<Cow<'static, str>>, style: Style) -> Self {
        Self(vec![(text.into(), style)])
    }

    pub(super) fn and(mut self, text: impl Into<Cow<'static, str>>, style: Style) -> Self {
        self.0.push((text.into(), style));
        self
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(part, _)| text::width(part)).sum()
    }
}

/// Where a column came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Which column.
    pub column: usize,
    pub x: u16,
    pub width: u16,
}

/// Columns between two columns.
const GAP: u16 = 2;

/// Chooses the columns that fit into `width` and places them.
pub(super) fn arrange(columns: &[Column], width: u16) -> Vec<Placed> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let needed = |kept: &[usize]| {
        kept.iter().map(|at| columns[*at].width).sum::<u16>() + GAP * (kept.len() as u16).saturating_sub(1)
    };
    while needed(&kept) > width {
        let Some(least) =
            kept.iter().copied().filter(|at| columns[*at].priority > 0).max_by_key(|at| columns[*at].priority)
        else {
            break;
        };
        kept.retain(|at| *at != least);
    }
    let mut left = width.saturating_sub(needed(&kept));
    let mut widths: Vec<u16> = kept.iter().map(|at| columns[*at].width).collect();
    // What is left goes to the stretching columns in equal parts, as far as each may grow.
    loop {
        let growing: Vec<usize> = (0..kept.len()).filter(|at| columns[kept[*at]].stretch > widths[*at]).collect();
        if growing.is_empty() || left == 0 {
            break;
        }
        let share = (left / growing.len() as u16).max(1);
        for at in growing {
            let by = share.min(columns[kept[at]].stretch - widths[at]).min(left);
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

/// What a table shows.
pub(super) struct Rows {
    pub count: usize,
    /// The row under the cursor, and the first one shown.
    pub selected: Option<usize>,
    pub top: usize,
}

/// Draws titles and rows; `cells` gives a row's cells, and is asked for the rows that are seen only.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    theme: &Theme,
    columns: &[Column],
    rows: &Rows,
    mut cells: impl FnMut(usize) -> Vec<Cell>,
) {
    let placed = arrange(columns, canvas.width().saturating_sub(3));
    for place in &placed {
        let column = &columns[place.column];
        if column.is_right {
            canvas.text_right(1 + place.x + place.width, 0, column.title, theme.dim);
        } else {
            canvas.text_within(1 + place.x, 0, place.width, column.title, theme.dim);
        }
    }
    let seen = usize::from(canvas.height().saturating_sub(1));
    for (line, index) in (rows.top..rows.count).take(seen).enumerate() {
        let y = line as u16 + 1;
        let mut row: Vec<Option<Cell>> = cells(index).into_iter().map(Some).collect();
        for place in &placed {
            let Some(cell) = row.get_mut(place.column).and_then(Option::take) else { continue };
            put(canvas, y, place, columns[place.column].is_right, &cell);
        }
        if rows.selected == Some(index) {
            canvas.text(0, y, "▌", theme.accent);
            canvas.style_row(y, theme.selected);
        }
    }
    scrollbar(canvas, theme, rows, seen);
}

fn put(canvas: &mut Canvas<'_>, y: u16, place: &Placed, is_right: bool, cell: &Cell) {
    let room = usize::from(place.width);
    let used = cell.width().min(room);
    let mut x = 1 + place.x + if is_right { (room - used) as u16 } else { 0 };
    let end = 1 + place.x + place.width;
    for (part, style) in &cell.0 {
        x = canvas.text_within(x, y, end.saturating_sub(x), part, *style);
    }
}

/// Shows at the right edge which part of the rows is seen.
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
        let columns = [column("a", 4, 0), stretching("b", 4, 30, 0), number("c", 6, 2), number("d", 6, 1)];
        let kept =
            |width| arrange(&columns, width).iter().map(|placed| (placed.column, placed.width)).collect::<Vec<_>>();
        assert_eq!(kept(26), [(0, 4), (1, 4), (2, 6), (3, 6)]);
        assert_eq!(kept(25), [(0, 4), (1, 11), (3, 6)]);
        assert_eq!(kept(10), [(0, 4), (1, 4)]);
        assert_eq!(kept(0), [(0, 4), (1, 4)]);
        assert_eq!(kept(200)[1], (1, 30));
    }
}
