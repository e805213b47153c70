//! The terminal: entered once, and restored however the dashboard ends.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};

/// A panic's message, printed once the terminal is restored, because the dashboard's screen would swallow it.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Counts the written bytes, and writes a frame in one piece.
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

/// The terminal while the dashboard uses it. Dropping it restores the terminal.
pub(crate) struct Screen {
    pub terminal: Terminal<CrosstermBackend<Counted>>,
    bytes: Arc<AtomicU64>,
}

impl Screen {
    /// Takes over the terminal.
    ///
    /// # Errors
    /// There is no terminal, or it refuses; it is restored in that case.
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

    /// Restores the terminal for a while.
    pub(crate) fn leave(&self) {
        restore();
    }

    /// Takes it over again, in whatever state it is; the next frame is drawn whole.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn resume(&mut self, has_mouse: bool) -> io::Result<()> {
        // The mode to restore may have changed in the meantime.
        disable_raw_mode()?;
        enable_raw_mode()?;
        show()?;
        if has_mouse {
            self.mouse(true)?;
        }
        self.redraw()
    }

    /// Forces a full redraw. The library's `clear` won't do: it queries the cursor position, which not all terminals answer, and
    /// loses keys that arrive meanwhile.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().clear()?;
        // The next frame is compared with an empty one.
        self.terminal.swap_buffers();
        Ok(())
    }

    /// Bytes written to the terminal so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Asks the terminal to copy a text to the clipboard (OSC 52). Terminals without support ignore it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Captures the mouse, or releases it.
    ///
    /// # Errors
    /// The terminal is gone.
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
            // Nothing can be done if even this write fails.
            let _gone = writeln!(io::stderr(), "stereospot: internal error: {said}");
        }
        // The hook can't be replaced during a panic; the process ends then anyway.
        if !std::thread::panicking() {
            drop(std::panic::take_hook());
        }
    }
}

fn show() -> io::Result<()> {
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
}

fn restore() {
    // A terminal that is gone needs no restoring, so its errors don't matter.
    let _gone = execute!(io::stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _gone = disable_raw_mode();
}
