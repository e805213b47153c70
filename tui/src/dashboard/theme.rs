//! Styles by meaning. A colour never stands alone: a glyph or a word says the same.

use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use stereospot_domain::diagnosis::Severity;

/// A theme's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeName {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// For a dark background, and for people who can't distinguish red from green.
    ColourBlind,
}

/// The text names no theme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown theme `{0}`: choose one of dark, light, colour-blind")]
pub struct UnknownTheme(pub String);

impl FromStr for ThemeName {
    type Err = UnknownTheme;

    fn from_str(text: &str) -> Result<Self, UnknownTheme> {
        match text {
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            "colour-blind" => Ok(Self::ColourBlind),
            _ => Err(UnknownTheme(text.into())),
        }
    }
}

/// Styles by meaning.
#[derive(Debug, Clone)]
pub(crate) struct Theme {
    pub text: Style,
    /// Labels and less important values.
    pub dim: Style,
    /// Lines, stale values, disabled keys.
    pub faint: Style,
    pub title: Style,
    /// Keys, and running work.
    pub accent: Style,
    /// All is well.
    pub good: Style,
    /// Wrong, but may recover without help.
    pub warn: Style,
    /// An operator must act.
    pub bad: Style,
    /// The selected row; added to other styles.
    pub selected: Style,
    /// The environment's name.
    pub environment: Style,
    /// The name of a production environment.
    pub production: Style,
    /// The background of dialogs.
    pub dialog: Style,
}

/// Colours are indices of the 256-colour palette, which looks alike on every terminal, unlike the sixteen named colours.
struct Palette {
    dim: u8,
    faint: u8,
    accent: u8,
    good: u8,
    warn: u8,
    bad: u8,
    selected: u8,
    on_badge: u8,
}

const DARK: Palette =
    Palette { dim: 247, faint: 240, accent: 74, good: 108, warn: 179, bad: 167, selected: 237, on_badge: 232 };

const LIGHT: Palette =
    Palette { dim: 241, faint: 248, accent: 25, good: 28, warn: 130, bad: 124, selected: 254, on_badge: 231 };

const COLOUR_BLIND: Palette = Palette { accent: 117, good: 74, warn: 220, bad: 202, ..DARK };

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

impl Theme {
    /// The theme of a name; with `no_color` only bold, dim, reverse and underline.
    pub(crate) fn new(name: ThemeName, no_color: bool) -> Self {
        match (no_color, name) {
            (true, _) => Self::without_colour(),
            (false, ThemeName::Dark) => Self::of(&DARK),
            (false, ThemeName::Light) => Self::of(&LIGHT),
            (false, ThemeName::ColourBlind) => Self::of(&COLOUR_BLIND),
        }
    }

    fn without_colour() -> Self {
        let reversed = PLAIN.add_modifier(Modifier::REVERSED);
        Self {
            text: PLAIN,
            dim: PLAIN,
            faint: PLAIN.add_modifier(Modifier::DIM),
            title: BOLD,
            accent: BOLD,
            good: PLAIN,
            warn: BOLD,
            bad: BOLD.add_modifier(Modifier::UNDERLINED),
            selected: reversed,
            environment: reversed,
            production: reversed.add_modifier(Modifier::BOLD),
            dialog: PLAIN,
        }
    }

    fn of(palette: &Palette) -> Self {
        let colour = |index| PLAIN.fg(Color::Indexed(index));
        let badge = |index| colour(palette.on_badge).bg(Color::Indexed(index)).add_modifier(Modifier::BOLD);
        Self {
            text: PLAIN,
            dim: colour(palette.dim),
            faint: colour(palette.faint),
            title: BOLD,
            accent: colour(palette.accent),
            good: colour(palette.good),
            warn: colour(palette.warn),
            bad: colour(palette.bad).add_modifier(Modifier::BOLD),
            selected: PLAIN.bg(Color::Indexed(palette.selected)),
            environment: badge(palette.accent),
            production: badge(palette.bad),
            dialog: PLAIN,
        }
    }

    pub(crate) fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Notice => self.accent,
            Severity::Warning => self.warn,
            Severity::Critical => self.bad,
        }
    }

    /// A style, faint where the value is stale.
    pub(crate) fn aged(&self, style: Style, is_stale: bool) -> Style {
        if is_stale { self.faint } else { style }
    }
}

/// A severity's glyph, which says the same as its colour.
pub(crate) fn severity_glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "i",
        Severity::Warning => "!",
        Severity::Critical => "✗",
    }
}
