//! The routes of a worker's sessions by a small number, so that a session keeps two bytes of it.

use std::{collections::HashMap, sync::Arc};

use crate::engine::route::Route;

/// The names that sessions came by; they outlive a reload.
///
/// **Bounds**: 65,535; the sessions of further ones have none.
#[derive(Default)]
pub(super) struct RouteNames {
    /// Each with whether it is an id.
    names: Vec<(String, bool)>,
    numbers: HashMap<String, u16>,
    /// Nearly always the next one's too.
    last: Option<(Arc<Route>, u16)>,
}

impl RouteNames {
    /// Returns the number of a route; 0 is for sessions without one.
    pub(super) fn number(&mut self, route: Option<&Arc<Route>>) -> u16 {
        let Some(route) = route else { return 0 };
        if let Some((_, number)) = self
            .last
            .as_ref()
            .filter(|(last, _)| Arc::ptr_eq(last, route))
        {
            return *number;
        }
        let name = route.id.clone().unwrap_or_else(|| route.condition());
        let known = self.numbers.get(&name).copied();
        let number = known.unwrap_or_else(|| {
            let Ok(number) = u16::try_from(self.names.len() + 1) else {
                return 0;
            };
            self.names.push((name.clone(), route.id.is_some()));
            self.numbers.insert(name, number);
            number
        });
        self.last = Some((route.clone(), number));
        number
    }

    /// Returns a route's name.
    pub(super) fn name(&self, number: u16) -> &str {
        let index = usize::from(number).checked_sub(1);
        let name = index.and_then(|index| self.names.get(index));
        name.map_or("", |(name, _)| name)
    }

    /// Returns a route's id, if it has one.
    pub(super) fn id(&self, number: u16) -> Option<&str> {
        let index = usize::from(number).checked_sub(1)?;
        let (name, is_id) = self.names.get(index)?;
        is_id.then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_keeps_its_number_and_name() {
        let mut names = RouteNames::default();
        let a = Arc::new(Route::new("a.test"));
        let mut b = Route::new("b.test");
        b.id = Some("b".to_owned());
        let b = Arc::new(b);
        let numbers = [None, Some(&a), Some(&b), Some(&a)].map(|route| names.number(route));
        assert_eq!(numbers, [0, 1, 2, 1]);
        assert_eq!(
            ["", "host=\"a.test\"", "b"],
            [0, 1, 2].map(|n| names.name(n))
        );
        assert_eq!([None, None, Some("b")], [0, 1, 2].map(|n| names.id(n)));
    }
}
