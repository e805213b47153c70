//! The cursor of a list, bound to an entry's identity rather than to a row.

use std::cell::Cell;

/// A list's cursor and scroll position. The view stores what it showed (`top`, `rows`), so that paging moves by what was visible.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<Id> {
    selected: Option<Id>,
    /// False until a key was pressed here; until then the cursor rests on the first row.
    is_chosen: bool,
    /// The last index of the selected entry: searched first, and the fallback when the entry is gone.
    anchor: Cell<usize>,
    top: Cell<usize>,
    rows: Cell<usize>,
}

impl<Id> Default for Cursor<Id> {
    fn default() -> Self {
        Self { selected: None, is_chosen: false, anchor: Cell::new(0), top: Cell::new(0), rows: Cell::new(10) }
    }
}

impl<Id: PartialEq> Cursor<Id> {
    /// The index of the selected entry in a list of `len`; a neighbour if it is gone; none in an empty list.
    pub(crate) fn index(&self, len: usize, at: impl Fn(usize) -> Id) -> Option<usize> {
        let last = len.checked_sub(1)?;
        let anchor = self.anchor.get();
        let Some(selected) = &self.selected else { return Some(anchor.min(last)) };
        if anchor <= last && at(anchor) == *selected {
            return Some(anchor);
        }
        match (0..len).find(|index| at(*index) == *selected) {
            Some(found) => {
                // Rows moved under the cursor: scroll along, so that it stays at the same height on the screen.
                let top = self.top.get() as isize + found as isize - anchor as isize;
                self.top.set(top.max(0) as usize);
                self.anchor.set(found);
                Some(found)
            }
            None => Some(anchor.min(last)),
        }
    }

    /// The list changed: moves the cursor along with its entry. Until the operator has chosen one, it rests on the first row.
    pub(crate) fn settle(&mut self, len: usize, at: impl Fn(usize) -> Id) {
        let index = if self.is_chosen { self.index(len, &at) } else { (len > 0).then_some(0) };
        self.selected = index.map(at);
        if let Some(index) = index {
            self.anchor.set(index);
        }
    }

    /// A key was pressed: from now on the cursor follows its entry.
    pub(crate) fn choose(&mut self) {
        self.is_chosen = true;
    }

    /// The entry that the operator has chosen, even if it is gone.
    pub(crate) fn chosen(&self) -> Option<&Id> {
        self.selected.as_ref().filter(|_| self.is_chosen)
    }

    /// Selects an entry.
    pub(crate) fn select(&mut self, index: usize, id: Id) {
        self.is_chosen = true;
        self.anchor.set(index);
        self.selected = Some(id);
    }

    /// Moves by rows; stops at the ends.
    pub(crate) fn step(&mut self, by: isize, len: usize, at: impl Fn(usize) -> Id) {
        let Some(index) = self.index(len, &at) else { return };
        let target = index.saturating_add_signed(by).min(len - 1);
        self.select(target, at(target));
    }

    /// Rows that one page moves by.
    pub(crate) fn page(&self) -> isize {
        self.rows.get().saturating_sub(1).max(1) as isize
    }

    /// The first row to show when `rows` fit and the cursor is at `index`.
    pub(crate) fn window(&self, index: usize, len: usize, rows: usize) -> usize {
        self.rows.set(rows.max(1));
        let top = self.top.get().min(index).max((index + 1).saturating_sub(rows.max(1))).min(len.saturating_sub(rows));
        self.top.set(top);
        top
    }
}

/// The next index after `from`, or before it for a negative `by`, for which `is` holds.
pub(crate) fn next(from: Option<usize>, len: usize, by: isize, is: impl Fn(usize) -> bool) -> Option<usize> {
    let from = from?;
    if by > 0 { (from + 1..len).find(|at| is(*at)) } else { (0..from.min(len)).rev().find(|at| is(*at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_on_its_id_when_rows_shift() {
        let mut ids = vec!['a', 'b', 'c', 'd'];
        let mut cursor = Cursor::default();
        cursor.select(2, ids[2]);
        ids.insert(0, 'z');
        assert_eq!(cursor.index(ids.len(), |index| ids[index]), Some(3));
        ids.retain(|id| *id != 'a' && *id != 'z');
        assert_eq!(cursor.index(ids.len(), |index| ids[index]), Some(1));
        ids.retain(|id| *id != 'c');
        assert_eq!(cursor.index(ids.len(), |index| ids[index]), Some(1), "its neighbour");
        assert_eq!(cursor.index(0, |index| ids[index]), None);
    }

    #[test]
    fn nothing_is_chosen_yet() {
        let ids = ['a', 'b'];
        let mut cursor = Cursor::default();
        cursor.settle(2, |index| ids[index]);
        let shifted = ['z', 'a', 'b'];
        cursor.settle(3, |index| shifted[index]);
        assert_eq!(cursor.index(3, |index| shifted[index]), Some(0), "rests on the first row");
        cursor.choose();
        let again = ['y', 'z', 'a', 'b'];
        cursor.settle(4, |index| again[index]);
        assert_eq!(cursor.index(4, |index| again[index]), Some(1), "stays on z");
    }

    #[test]
    fn the_window_moves_with_what_is_selected() {
        let ids: Vec<usize> = (0..100).collect();
        let mut cursor = Cursor::default();
        cursor.select(50, 50);
        assert_eq!(cursor.window(50, 100, 10), 41);
        let shifted: Vec<usize> = (1000..1005).chain(ids.iter().copied()).collect();
        let index = cursor.index(shifted.len(), |index| shifted[index]).unwrap();
        assert_eq!(cursor.window(index, shifted.len(), 10), 46, "the same row of the screen");
    }
}
