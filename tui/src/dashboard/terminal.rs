//! The terminal: entered once, and left as it was found, however the dashboard ends.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};

/// What a panic said: printed once the terminal is as it was, because the dashboard's screen would swallow it.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Counts what is written, and writes a frame in one piece.
pub(crate) struct Counted {
    inner: BufWriter<Stdout>,
    bytes: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.bytes.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The terminal while the dashboard has it. Dropping it gives it back.
pub(crate) struct Screen {
    pub terminal: Terminal<CrosstermBackend<Counted>>,
    bytes: Arc<AtomicU64>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When there is no terminal, or it refuses; it is then as it was.
    pub(crate) fn enter() -> io::Result<Self> {
        std::panic::set_hook(Box::new(|info| {
            let mut said = PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            said.get_or_insert_with(|| info.to_string());
        }));
        enable_raw_mode()?;
        let entered = show();
        let bytes = Arc::new(AtomicU64::new(0));
        let writer = Counted { inner: BufWriter::with_capacity(1 << 16, io::stdout()), bytes: Arc::clone(&bytes) };
        match entered.and_then(|()| Terminal::new(CrosstermBackend::new(writer))) {
            Ok(terminal) => Ok(Self { terminal, bytes }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Gives the terminal back for a while.
    pub(crate) fn leave(&self) {
        restore();
    }

    /// Takes it again, in whatever state others left it; the next frame is drawn whole.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn resume(&mut self, has_mouse: bool) -> io::Result<()> {
        // How it is to be left may be another than before.
        disable_raw_mode()?;
        enable_raw_mode()?;
        show()?;
        if has_mouse {
            self.mouse(true)?;
        }
        self.redraw()
    }

    /// Has the next frame drawn whole. Not by the library's `clear`, which asks the terminal where its cursor is: not all answer, and
    /// keys read meanwhile are lost.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().clear()?;
        // The frame that the next one is compared with is then an empty one.
        self.terminal.swap_buffers();
        Ok(())
    }

    /// Bytes written to the terminal so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Asks the terminal to put a text on the clipboard (OSC 52). Terminals that can't ignore it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Takes the mouse, or gives it back to the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn mouse(&mut self, is_ours: bool) -> io::Result<()> {
        if is_ours {
            execute!(self.terminal.backend_mut(), EnableMouseCapture)
        } else {
            execute!(self.terminal.backend_mut(), DisableMouseCapture)
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        let said = PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(said) = said {
            // Nothing is left to be done when even this can't be written.
            let _gone = writeln!(io::stderr(), "stereospot: internal error: {said}");
        }
        // Before a panic has unwound the hook can't be taken back; the process ends then anyway.
        if !std::thread::panicking() {
            drop(std::panic::take_hook());
        }
    }
}

fn show() -> io::Result<()> {
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
}

fn restore() {
    // A terminal that is gone needs no restoring: errors here have nobody to be told to.
    let _gone = execute!(io::stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _gone = disable_raw_mode();
}
