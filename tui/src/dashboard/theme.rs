//! Colours by meaning. A colour never stands alone: a glyph or a word says the same.

use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use stereospot_domain::diagnosis::Severity;

/// Which colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeName {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// Told apart by people who don't tell red from green; for a dark background.
    ColourBlind,
}

/// A name that is no theme's.
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
    /// Values.
    pub text: Style,
    /// Labels and what matters less.
    pub dim: Style,
    /// Lines, stale values, disabled keys.
    pub faint: Style,
    /// Headings.
    pub title: Style,
    /// What can be pressed; what is at work.
    pub accent: Style,
    /// As it should be.
    pub good: Style,
    /// Not as it should be, but may heal.
    pub warn: Style,
    /// Somebody must act.
    pub bad: Style,
    /// The row under the cursor; laid over other styles.
    pub selected: Style,
    /// The environment's name.
    pub environment: Style,
    /// The same, where a mistake hurts.
    pub production: Style,
    /// Behind dialogs.
    pub dialog: Style,
}

impl Theme {
    /// The theme of a name; with `no_color` only bold, dim, reverse and underline.
    pub(crate) fn new(name: ThemeName, no_color: bool) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        if no_color {
            let dim = plain.add_modifier(Modifier::DIM);
            let reversed = plain.add_modifier(Modifier::REVERSED);
            return Self {
                text: plain,
                dim: plain,
                faint: dim,
                title: bold,
                accent: bold,
                good: plain,
                warn: bold,
                bad: bold.add_modifier(Modifier::UNDERLINED),
                selected: reversed,
                environment: reversed,
                production: reversed.add_modifier(Modifier::BOLD),
                dialog: plain,
            };
        }
        // Indices of the 256-colour palette: looks alike on every terminal, whatever its sixteen named colours are.
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
        let palette = match name {
            ThemeName::Dark => Palette {
                dim: 247,
                faint: 240,
                accent: 74,
                good: 108,
                warn: 179,
                bad: 167,
                selected: 237,
                on_badge: 232,
            },
            ThemeName::Light => Palette {
                dim: 241,
                faint: 248,
                accent: 25,
                good: 28,
                warn: 130,
                bad: 124,
                selected: 254,
                on_badge: 231,
            },
            ThemeName::ColourBlind => Palette {
                dim: 247,
                faint: 240,
                accent: 117,
                good: 74,
                warn: 220,
                bad: 202,
                selected: 237,
                on_badge: 232,
            },
        };
        let colour = |index| plain.fg(Color::Indexed(index));
        let badge = |index| colour(palette.on_badge).bg(Color::Indexed(index)).add_modifier(Modifier::BOLD);
        Self {
            text: plain,
            dim: colour(palette.dim),
            faint: colour(palette.faint),
            title: bold,
            accent: colour(palette.accent),
            good: colour(palette.good),
            warn: colour(palette.warn),
            bad: colour(palette.bad).add_modifier(Modifier::BOLD),
            selected: plain.bg(Color::Indexed(palette.selected)),
            environment: badge(palette.accent),
            production: badge(palette.bad),
            dialog: plain,
        }
    }

    /// A severity's style.
    pub(crate) fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Notice => self.accent,
            Severity::Warning => self.warn,
            Severity::Critical => self.bad,
        }
    }

    /// The same value, faint where it is stale.
    pub(crate) fn aged(&self, style: Style, is_stale: bool) -> Style {
        if is_stale { self.faint } else { style }
    }
}

/// A severity's glyph: says the same as its colour.
pub(crate) fn severity_glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "i",
        Severity::Warning => "!",
        Severity::Critical => "✗",
    }
}
