//! What is counted, by name. Every drop and refusal has a reason here; reasons are stable words.

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($(#[doc = $entry_doc:literal])* $entry:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind { $($(#[doc = $entry_doc])* $entry,)+ }

        impl $kind {
            /// Every name, in the order of declaration.
            pub const NAMES: &'static [&'static str] = &[$($name,)+];

            /// What each of them counts, in the same order.
            pub const HELP: &'static [&'static str] = &[$(concat!($($entry_doc),*),)+];

            /// Returns the stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$entry => $name,)+ }
            }
        }
    };
}

names! {
    /// Things that happened, and things that are there now.
    Total {
        /// Client requests that reached the proxy.
        Requests = "requests_total",
        /// Requests answered by a backend.
        Proxied = "requests_proxied_total",
        /// Requests of GRIP proxies that proved to be such.
        Trusted = "requests_trusted_total",
        /// Requests that became a response hold.
        ResponseHolds = "response_holds_total",
        /// Requests that became a stream hold.
        StreamHolds = "stream_holds_total",
        /// WebSockets that were opened.
        WebSockets = "websockets_total",
        /// WebSockets now.
        WebSocketsCurrent = "websockets_current",
        /// Requests that carried a WebSocket's events to its backend.
        EventRequests = "websocket_event_requests_total",
        /// Messages of backends without the prefix of those for the client: nobody got them.
        MessagesUnaddressed = "websocket_messages_unaddressed_total",
        /// WebSockets that had ended when their backends were still told so.
        EndingsTold = "websocket_endings_told_total",
        /// Backends that were not told of a WebSocket's end, for too many others were.
        DisconnectsSkipped = "websocket_disconnects_skipped_total",
        /// Holds whose client left.
        ClientsGone = "clients_gone_total",
        /// Held sessions now.
        Sessions = "sessions_current",
        /// Held sessions now whose socket is parked.
        Parked = "sessions_parked_current",
        /// Connections that had to wait for their turn.
        ConnectionsDelayed = "connections_delayed_total",
        /// PROXY headers that said who the client is.
        ProxyHeaders = "proxy_headers_total",
        /// TLS handshakes that clients and P-8 came through.
        TlsHandshakes = "tls_handshakes_total",
        /// Client connections now.
        Connections = "connections_current",
        /// Client connections that were accepted.
        ConnectionsAccepted = "connections_total",
        /// How long client connections have lasted, all together.
        ConnectionMillis = "connection_ms_total",
        /// HTTP/2 connections that were accepted.
        Http2Connections = "http2_connections_total",
        /// HTTP/2 connections now.
        Http2ConnectionsCurrent = "http2_connections_current",
        /// Streams of HTTP/2 connections now: requests being answered or held, WebSockets.
        Http2Streams = "http2_streams_current",
        /// Backend requests now.
        Upstreams = "upstreams_current",
        /// Requests that went on to a next target, for one could not be reached.
        Failovers = "target_failovers_total",
        /// Targets that were ejected, one for each worker.
        TargetsEjected = "targets_ejected_total",
        /// Ejected targets that answered again.
        TargetsBack = "targets_back_total",
        /// Health pages that were answered with neither 2xx nor 3xx in time.
        HealthFailures = "health_check_failures_total",
        /// Requests whose backend sent no response head in time.
        AnswerTimeouts = "answer_timeouts_total",
        /// Requests that were not over in the time of their route.
        RequestTimeouts = "request_timeouts_total",
        /// Connections that became a tunnel to a backend.
        Tunnels = "tunnels_total",
        /// Tunnels now.
        TunnelsNow = "tunnels_current",
        /// Items accepted from publishers.
        ItemsPublished = "items_published_total",
        /// Items put in an outbox of a stream or WebSocket, one for each session.
        ItemsDelivered = "items_delivered_total",
        /// Long-polls answered by an item, their timeout or the server's end.
        ResponsesSent = "responses_sent_total",
        /// Items that a filter kept from a session, as it should.
        ItemsFiltered = "items_filtered_total",
        /// Items none of whose formats is known: nobody gets them.
        ItemsFormatless = "items_formatless_total",
        /// Items for channels nobody here is subscribed to.
        ItemsUnsubscribed = "items_unsubscribed_total",
        /// Items with an id that was seen before; they go out once.
        ItemsRepeated = "items_repeated_total",
        /// Ids forgotten before their time, over `id_cache_max`.
        IdsForgotten = "ids_forgotten_total",
        /// Items that wait now for the one they follow.
        ItemsWaiting = "items_waiting_current",
        /// Items delivered although the one they follow did not come in time.
        ItemsGivenUp = "items_given_up_total",
        /// Bytes written to held clients.
        BytesWritten = "held_bytes_written_total",
        /// Deliveries that never arrived from a channel, seen by their numbers.
        DeliveriesMissed = "deliveries_missed_total",
        /// Deliveries of a replaced channel or an ended subscription.
        DeliveriesStale = "deliveries_stale_total",
        /// Deliveries now that wait for their turn in the rate.
        DeliveriesWaiting = "deliveries_waiting_current",
        /// Interim (1xx) responses passed on.
        Interim = "interim_responses_total",
        /// Subscriptions of long-polls that ended early, for there were too many without a session.
        LingersCut = "lingering_subscriptions_cut_total",
        /// Items that the backend's word covered: it was asked again while they waited.
        ItemsSuperseded = "items_superseded_total",
        /// Requests of held sessions that were asked again.
        Retries = "requests_retried_total",
        /// Requests to next links.
        LinkRequests = "link_requests_total",
        /// Next links that were answered by another session's request.
        LinksShared = "link_answers_shared_total",
        /// Next links that gave no usable answer.
        LinkFailures = "link_failures_total",
        /// Requests to gone links.
        GoneRequests = "gone_link_requests_total",
        /// Gone links that were not answered with 2xx.
        GoneFailures = "gone_link_failures_total",
        /// Questions of filters to backends.
        FilterRequests = "filter_requests_total",
        /// Configurations that were applied while P-8 ran.
        Reloads = "reloads_total",
        /// Configurations that could not be: the one before stayed in force.
        ReloadFailures = "reload_failures_total",
        /// Requests to ZeroMQ backends.
        ZmqRequests = "zmq_requests_total",
        /// ZeroMQ backends connected now.
        ZmqBackends = "zmq_backends_current",
        /// Packets of ZeroMQ backends that were no answer to anything.
        ZmqPacketsDropped = "zmq_packets_dropped_total",
        /// Items that came over ZeroMQ.
        ZmqItems = "zmq_items_total",
        /// Messages over ZeroMQ that were no items or commands, or found a channel's queue full too long.
        ZmqMessagesDropped = "zmq_messages_dropped_total",
        /// Statistics that a subscriber had no room for, or that were not gathered for there were too many.
        StatsDropped = "stats_dropped_total",
        /// Publishers, and those who send commands or take statistics, connected over ZeroMQ now.
        ZmqPeers = "zmq_peers_current",
        /// Threads that did not turn any more.
        ThreadsWedged = "threads_wedged_total",
        /// Handlers that were replaced, for their threads did not turn any more.
        HandlersReplaced = "handlers_replaced_total",
        /// Subscriptions that workers announced to fresh handlers.
        SubscriptionsAnnounced = "subscriptions_announced_total",
        /// What operators had P-8 do.
        AdminActions = "admin_actions_total",
        /// Sessions that operators ended.
        SessionsEnded = "sessions_disconnected_total",
        /// Nanoseconds that hubs were busy.
        HubBusy = "hub_busy_ns_total",
        /// Nanoseconds that publishers were busy.
        PublisherBusy = "publisher_busy_ns_total",
        /// Nanoseconds that channels were busy.
        ChannelBusy = "channel_busy_ns_total",
        /// Sessions that panicked.
        SessionPanics = "session_panics_total",
    }
}

names! {
    /// What takes time.
    Timed {
        /// From when an item is sent out to a worker's last try to write it to its streams and WebSockets.
        PublishToWrite = "publish_to_write_secs",
        /// From a request to a backend to the head of its answer.
        Upstream = "upstream_secs",
    }
}

names! {
    /// Why an item did not reach a session that was subscribed.
    Dropped {
        /// The outbox was full and the policy is drop-oldest or drop-newest.
        SlowClient = "slow-client",
        /// The outbox was full and the session was closed; what waited is counted too.
        SlowClientClosed = "slow-client-closed",
        /// The client left with items waiting.
        ClientGone = "client-gone",
        /// The session's own mailbox was full, or too much waited for the backend's word.
        SessionBusy = "session-busy",
        /// A patch did not fit the held body; the backend was asked again.
        Unpatchable = "unpatchable",
        /// Too much waited for its turn in the rate already.
        MessageHwm = "message-hwm",
        /// A filter could not be applied to the item.
        FilterError = "filter-error",
        /// The item is for sessions with other content filters.
        ContentFilters = "content-filters",
        /// Its hub, channel or publisher panicked on it.
        Panic = "panic",
        /// Too many items of the channel waited for others.
        WaitingMax = "waiting-max",
        /// Another item that follows the same one waited.
        WaitingRepeat = "waiting-repeat",
        /// It waited for another when the channel's last subscription ended.
        WaitingUnsubscribed = "waiting-unsubscribed",
        /// A worker was gone when the channel wanted to deliver.
        WorkerGone = "worker-gone",
        /// A worker had not announced its subscriptions to a fresh handler.
        WorkerLate = "worker-late",
        /// It waited for another when its handler was replaced, or the handler never got through it.
        HandlerLost = "handler-lost",
    }
}

names! {
    /// Why something was refused.
    Refused {
        /// A malformed client request.
        Request = "bad-request",
        /// The request has been here before.
        Loop = "loop",
        /// No route for it.
        NoRoute = "no-route",
        /// No backend could answer.
        Backend = "backend",
        /// Too many requests waited for the answers of the backend already.
        TargetBusy = "target-busy",
        /// The backend's instructions were bad.
        Instruct = "bad-instruct",
        /// Channels over the limit of a session.
        Channels = "too-many-channels",
        /// Subscriptions to new channels over `channels_max`.
        ChannelsMax = "channels-max",
        /// A malformed publish.
        Publish = "bad-publish",
        /// A request to the control port for a page of another site, or by a name that may lead anywhere.
        CrossSite = "cross-site",
        /// A request to the control port without good credentials.
        Unauthorized = "unauthorized",
        /// A publish while a channel's queue was full, or that of all channels.
        PublishQueue = "publish-queue-full",
        /// A publish while its channel was too far behind.
        PublishSlow = "publish-queue-slow",
        /// A publish while as many as may were under way.
        PublishesMax = "too-many-publishes",
        /// A publish whose handler was replaced meanwhile.
        HandlerLost = "publish-handler-lost",
        /// A connection over `client_maxconn`.
        Connections = "too-many-connections",
        /// A TLS handshake that failed or took too long.
        Tls = "tls-handshake",
        /// A connection whose PROXY header is bad or did not come.
        ProxyHeader = "bad-proxy-header",
        /// A connection that came too soon after too many others.
        AcceptRate = "accept-rate",
        /// A request whose head or body took too long.
        Slow = "slow-request",
        /// An HTTP/2 connection whose client sent too much of what costs it nothing.
        Flood = "http2-flood",
        /// A demo publish over its limits.
        Demo = "demo-limit",
        /// A WebSocket handshake that is none.
        Handshake = "bad-handshake",
        /// A client that sent a WebSocket's events by itself.
        Events = "events-not-allowed",
        /// A WebSocket whose client broke the protocol.
        Frame = "bad-frame",
        /// A request of a SockJS client that cannot be answered as it wants.
        SockJs = "bad-sockjs",
        /// A backend's control message that has no effect, or a frame of its that cannot be sent.
        Control = "bad-control",
        /// A JSON-P request with a bad parameter.
        Jsonp = "bad-jsonp",
        /// A backend's answer that JSON-P could not wrap.
        JsonpAnswer = "jsonp-answer",
    }
}
