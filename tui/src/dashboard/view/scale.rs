//! Asks how many tasks a service should have; the plan comes next.

use stereospot_api::view::ServiceView;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;

pub(super) fn draw(state: &State, service: &str, typed: &str, error: Option<&str>, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let width = canvas.width().min(72);
    let height = 7.min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let mut part = canvas.part(x, (canvas.height() - height) / 3, width, height);
    part.clear(theme.dialog);
    let mut inside = part.frame(&format!("SCALE {service}"), theme.title, theme.accent);
    let mut y = 0;
    if inside.height() >= 3 {
        let known = state.model.services.iter().find(|known| known.name == service);
        inside.text(1, 0, &known.map_or_else(|| "no longer known".into(), now), theme.text);
        inside.text(1, 1, &known.map(limits).unwrap_or_default(), theme.dim);
        y = 2;
    }
    let x = inside.text(1, y, "tasks it should have: ", theme.title);
    let x = inside.text(x, y, typed, theme.text);
    inside.text(x, y, "█", theme.accent);
    match error {
        Some(error) => inside.text(1, y + 1, error, theme.warn),
        None => inside.text(1, y + 1, "enter shows the plan, ↑ ↓ one more or less, esc cancels", theme.dim),
    };
    inside.text(1, y + 2, "nothing is changed before the plan is applied", theme.dim);
}

fn now(service: &ServiceView) -> String {
    let ServiceView { desired, running, pending, .. } = service;
    format!("should have {desired}: {running} running, {pending} starting")
}

fn limits(service: &ServiceView) -> String {
    match (service.min, service.max) {
        (Some(min), Some(max)) if service.is_scaling_suspended => {
            format!("its scaling, {min} to {max}, is suspended: a number stays")
        }
        (Some(min), Some(max)) => {
            format!("its scaling keeps it between {min} and {max}, and may change the number again")
        }
        _ => "nothing scales it by itself".into(),
    }
}
