//! Holding a response in somebody else's actix-web service.

use actix_web::{HttpRequest, HttpResponse};

use super::{
    begin::{Begin, Mode},
    exchange::Outcome,
    hold::{plain, Client},
    reply::{self, Manners},
};
use crate::{
    actors::broker::Broker,
    engine::{plan, route::Route},
    grip::instruct::Instruct,
};

impl Broker {
    /// Follows instructions as if a backend had answered `request` with them.
    ///
    /// A stream's response comes back at once, open; a long-poll's when an item, its timeout or the
    /// server's end answers it. Without a hold it is the instructed response. Channels are taken as
    /// they are: there is no route, so no prefix.
    ///
    /// **Bounds**: `subscriptions_max` channels; further ones are left out.
    /// **Errors**: 503 if the channels cannot be subscribed.
    pub async fn hold(&self, request: &HttpRequest, mut instruct: Instruct) -> HttpResponse {
        let max = self.options().subscriptions_max;
        let plan = plan::subscriptions(&[], &instruct.subscriptions, None, max);
        let client = Client::embedded(*request.method() == actix_web::http::Method::HEAD);
        let mut begin = Begin::new(&mut instruct, plan.channels, &[], &Route::new("*"));
        begin.warn_of_no_way_back();
        if let Err(error) = begin.edit_body(false) {
            let why = error.to_string();
            return reply::bad_backend(error.code(), &why, Manners::default()).response;
        }
        if begin.mode == Mode::Plain {
            return plain(&begin.response);
        }
        match begin.start(self, client, None).await {
            Ok(Outcome::Response(response) | Outcome::Held(response)) => response,
            Ok(Outcome::Parked | Outcome::Again) => HttpResponse::Ok().finish(),
            Err(error) => reply::not_joined(error).response,
        }
    }
}
