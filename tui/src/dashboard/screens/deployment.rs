//! The control plane's report on its platform: first what is missing, then the cost of watching, then the queues.

mod view;

use std::cell::Cell;
use std::time::Duration;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::effect::Effect;
use crate::dashboard::export::Content;
use crate::dashboard::keys::Command;
use crate::dashboard::model::Model;
use crate::dashboard::place::Pattern;
use crate::dashboard::screen::{Reply, Screen};
use crate::dashboard::state::State;

/// The screen of [`Model::deployment`].
#[derive(Debug, Default)]
pub(crate) struct Deployment {
    /// First line shown.
    pub(crate) scroll: usize,
    /// How far it can scroll, as last drawn.
    last_scroll: Cell<usize>,
}

impl Screen for Deployment {
    fn pattern(&self) -> Pattern {
        Pattern { screen: Command::Deployment, text: "deployment" }
    }

    fn title(&self) -> &'static str {
        "Deployment"
    }

    fn draw(&self, state: &State, canvas: &mut Canvas<'_>) {
        view::draw(self, state, canvas);
    }

    fn hints(&self, _state: &State) -> Vec<(Command, &'static str)> {
        use Command::*;
        vec![(Open, "read again"), (Export, "write to a file"), (Back, "back")]
    }

    fn export(&self, state: &State) -> Result<Option<Content>, String> {
        let view = state.model.deployment.view.as_ref();
        Ok(view.and_then(|view| Content::json("the deployment".into(), view)))
    }

    fn run(&mut self, command: Command, model: &mut Model, _now: Duration) -> Reply {
        if command != Command::Open {
            return Reply::NotMine;
        }
        model.deployment.ask();
        Reply::Done
    }

    fn step(&mut self, _model: &mut Model, rows: isize, _columns: isize) {
        self.scroll = self.scroll.saturating_add_signed(rows).min(self.last_scroll.get());
    }

    fn due(&mut self, model: &mut Model, is_open: bool, now: Duration) -> Option<Effect> {
        let is_paid = model.is_paid();
        model.deployment.due(is_open, is_paid, now)
    }
}
