//! Header lists and parameters: any bytes. No element is longer than the text it is part of.

use p8::grip::header_params::{params, split_list, Element};
use p8::grip::{keep_alive, link, meta};

/// Checks one input.
pub fn check(input: &[u8]) {
    let elements = split_list([input]);
    assert!(elements.iter().map(|element| element.len()).sum::<usize>() <= input.len());
    for element in elements {
        let _ = Element::parse(element);
    }
    let _ = params(input);
    let _ = keep_alive::parse(input);
    let _ = link::parse([input]);
    let _ = meta::parse([input]);
}
