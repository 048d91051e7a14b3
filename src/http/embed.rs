//! Holding a response in somebody else's actix-web service.

use actix_web::{HttpRequest, HttpResponse};

use super::{
    exchange::Outcome,
    hold::{plain, Begin, Client},
    reply::{self, Manners},
};
use crate::{
    actors::broker::Broker,
    engine::{delivery_rate::QueueIndex, filtering::Filtering, plan},
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
        let Some(hold) = instruct.hold.clone() else {
            return plain(&instruct.response);
        };
        let max = self.options().subscriptions_max;
        let plan = plan::subscriptions(&[], &instruct.subscriptions, None, max);
        let client = Client::embedded(*request.method() == actix_web::http::Method::HEAD);
        let filtering = match Filtering::of_instruct(&mut instruct, None, false) {
            Ok(filtering) => filtering,
            Err(error) => {
                let why = error.to_string();
                return reply::bad_backend(error.code(), &why, Manners::default()).response;
            }
        };
        let begin = Begin {
            filtering,
            hold,
            instruct,
            channels: plan.channels,
            slow_client: None,
            queue: QueueIndex::default(),
        };
        match begin.start(self, client, None).await {
            Ok(Outcome::Response(response)) => response,
            Ok(Outcome::Parked) => HttpResponse::Ok().finish(),
            Err(error) => reply::not_joined(error).response,
        }
    }
}
