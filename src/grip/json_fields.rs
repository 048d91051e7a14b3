//! Reads typed fields out of JSON objects, for instructions and items alike.
//!
//! Knows no particular field. Fields are taken out by value, so that large contents are not
//! copied. `null` is a wrong type, never an absent field; unknown fields are ignored.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::error::excerpt;
use super::lenient;
use super::response::is_reason;

/// Says which field is missing or wrong, and of what: first the object, then the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Something that must be an object is none.
    #[error("{0} is not an object")]
    NotObject(&'static str),
    /// A required field is absent; the field has its quotes.
    #[error("{0} does not contain {1}")]
    Missing(&'static str, &'static str),
    /// A field has the wrong JSON type.
    #[error("{0} contains '{1}' with wrong type")]
    WrongType(&'static str, String),
    /// A field has the right type and a value that cannot be used.
    #[error("{0} contains '{1}' with invalid value")]
    InvalidValue(&'static str, String),
    /// A field has none of the values it may have.
    #[error("{0} contains '{1}' with unknown value")]
    UnknownValue(&'static str, &'static str),
    /// An element of an array has the wrong JSON type.
    #[error("{0} contains {1} with wrong type")]
    ElementType(&'static str, &'static str),
    /// An element of an array of headers is no pair.
    #[error("headers contains list with wrong number of elements")]
    HeaderPair,
}

/// The fields of one JSON object that are not read yet.
#[derive(Debug)]
pub struct Fields {
    place: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// Takes the fields of an object; `place` names it in errors.
    ///
    /// **Errors**: `NotObject` for any other type.
    pub fn new(place: &'static str, value: Value) -> Result<Fields, FieldError> {
        match value {
            Value::Object(map) => Ok(Fields { place, map }),
            _ => Err(FieldError::NotObject(place)),
        }
    }

    /// Says whether nothing is there, or left.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Says whether the field is there and not taken yet.
    pub fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// Takes a value of any type.
    pub fn take(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field)
    }

    /// Takes a string.
    pub fn string(&mut self, field: &str) -> Result<Option<String>, FieldError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong_type(field)),
        }
    }

    /// Takes a string that must be there.
    ///
    /// `quoted` is the field in quotes, for the error.
    pub fn required_string(
        &mut self,
        field: &str,
        quoted: &'static str,
    ) -> Result<String, FieldError> {
        self.string(field)?.ok_or(self.missing(quoted))
    }

    /// Takes a boolean.
    pub fn bool(&mut self, field: &str) -> Result<Option<bool>, FieldError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong_type(field)),
        }
    }

    /// Takes an integer, converted leniently, that must be within a range.
    pub fn int(
        &mut self,
        field: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, FieldError> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let int = lenient::json_int(&value).ok_or_else(|| self.wrong_type(field))?;
        if range.contains(&int) {
            Ok(Some(int))
        } else {
            Err(self.invalid_value(field))
        }
    }

    /// Takes a number of seconds: 0 or more, 32 bits with sign.
    pub fn secs(&mut self, field: &str) -> Result<Option<u32>, FieldError> {
        let secs = self.int(field, 0..=i64::from(i32::MAX))?;
        Ok(secs.and_then(|secs| u32::try_from(secs).ok()))
    }

    /// Takes an object; `place` names it in errors about its own fields.
    pub fn object(
        &mut self,
        field: &str,
        place: &'static str,
    ) -> Result<Option<Fields>, FieldError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields { place, map })),
            Some(_) => Err(self.wrong_type(field)),
        }
    }

    /// Takes an array.
    pub fn array(&mut self, field: &str) -> Result<Option<Vec<Value>>, FieldError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => Err(self.wrong_type(field)),
        }
    }

    /// Takes an array of strings.
    pub fn strings(&mut self, field: &'static str) -> Result<Option<Vec<String>>, FieldError> {
        let Some(values) = self.array(field)? else {
            return Ok(None);
        };
        let strings = values.into_iter().map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(FieldError::ElementType(field, "element")),
        });
        strings.collect::<Result<_, _>>().map(Some)
    }

    /// Takes an object of strings; `place` names it in errors about its values.
    pub fn string_map(
        &mut self,
        field: &str,
        place: &'static str,
    ) -> Result<Option<BTreeMap<String, String>>, FieldError> {
        let Some(fields) = self.object(field, place)? else {
            return Ok(None);
        };
        let pairs = fields.map.into_iter().map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            _ => Err(FieldError::WrongType(place, excerpt(key))),
        });
        pairs.collect::<Result<_, _>>().map(Some)
    }

    /// Takes a status code from 200 to 999.
    pub fn status(&mut self, field: &str) -> Result<Option<u16>, FieldError> {
        use super::status::{HIGHEST, LOWEST};
        let code = self.int(field, i64::from(LOWEST)..=i64::from(HIGHEST))?;
        Ok(code.and_then(|code| u16::try_from(code).ok()))
    }

    /// Takes a reason phrase; an empty one counts as none.
    ///
    /// **Errors**: `InvalidValue` if it holds control characters, which would end the line.
    pub fn reason(&mut self, field: &str) -> Result<Option<String>, FieldError> {
        match self.string(field)? {
            Some(reason) if !is_reason(&reason) => Err(self.invalid_value(field)),
            reason => Ok(reason.filter(|reason| !reason.is_empty())),
        }
    }

    /// Takes bytes: base64 from `bin`, which wins and hides the other, else UTF-8 from `text`.
    pub fn content(&mut self, bin: &str, text: &str) -> Result<Option<Bytes>, FieldError> {
        if let Some(base64) = self.string(bin)? {
            return Ok(Some(Bytes::from(lenient::base64(base64.as_bytes()))));
        }
        Ok(self.string(text)?.map(Bytes::from))
    }

    /// Takes headers.
    ///
    /// **Shape**: `{"Name": "value"}`, or `[["Name", "value"], ...]` with order and repeats.
    ///
    /// **Errors**: `InvalidValue` for a name or value that cannot be in a response head.
    pub fn headers(&mut self, field: &str) -> Result<Option<HeaderMap>, FieldError> {
        let mut headers = HeaderMap::new();
        match self.take(field) {
            None => return Ok(None),
            Some(Value::Object(map)) => {
                for (name, value) in map {
                    let Value::String(value) = value else {
                        return Err(FieldError::WrongType("headers", excerpt(name)));
                    };
                    append(&mut headers, &name, &value)?;
                }
            }
            Some(Value::Array(pairs)) => {
                for pair in pairs {
                    let (name, value) = header_pair(&pair)?;
                    append(&mut headers, name, value)?;
                }
            }
            Some(_) => return Err(self.wrong_type(field)),
        }
        Ok(Some(headers))
    }

    /// Makes the error for an absent field; `quoted` is the field in quotes.
    pub fn missing(&self, quoted: &'static str) -> FieldError {
        FieldError::Missing(self.place, quoted)
    }

    /// Makes the error for a field of the wrong type.
    pub fn wrong_type(&self, field: &str) -> FieldError {
        FieldError::WrongType(self.place, field.to_owned())
    }

    /// Makes the error for a field with a value that cannot be used.
    pub fn invalid_value(&self, field: &str) -> FieldError {
        FieldError::InvalidValue(self.place, field.to_owned())
    }

    /// Makes the error for a field with none of the values it may have.
    pub fn unknown_value(&self, field: &'static str) -> FieldError {
        FieldError::UnknownValue(self.place, field)
    }
}

fn header_pair(pair: &Value) -> Result<(&str, &str), FieldError> {
    let Value::Array(pair) = pair else {
        return Err(FieldError::ElementType("headers", "element"));
    };
    let [name, value] = pair.as_slice() else {
        return Err(FieldError::HeaderPair);
    };
    let wrong = |element| FieldError::ElementType("header", element);
    let name = name.as_str().ok_or(wrong("name element"))?;
    let value = value.as_str().ok_or(wrong("value element"))?;
    Ok((name, value))
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), FieldError> {
    let invalid = || FieldError::InvalidValue("headers", excerpt(name));
    let header_name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?;
    // Fails past some 24,000 names.
    headers
        .try_append(header_name, value)
        .map_err(|_| invalid())?;
    Ok(())
}
