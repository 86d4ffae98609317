// Generated from the description by generate.mjs; not to be edited.

export interface paths {
    "/api/v1/alert-conditions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List alert conditions
         * @description Returns what alert rules can watch, with the settings of each. Conditions about the platform itself are for the operator's rules only.
         */
        get: operations["list_alert_conditions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alert-rules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List alert rules
         * @description Returns the alert rules, newest first. Filter by condition, or text.
         */
        get: operations["list_alert_rules"];
        put?: never;
        /**
         * Create an alert rule
         * @description Evaluates a condition every few seconds. One message is sent when it begins to hold, and one when it ends: as the events `waypost.alert.firing` and `waypost.alert.resolved`, and to the channels. With a platform key that names no tenant, the rule is the operator's and looks at all tenants.
         */
        post: operations["create_alert_rule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alert-rules/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an alert rule
         * @description Returns one alert rule, by id or `uid`.
         */
        get: operations["get_alert_rule"];
        /**
         * Create or replace an alert rule
         * @description Sets every field of a rule; a field that is left out gets its default. Creates it if no rule has the `uid` in the path.
         */
        put: operations["replace_alert_rule"];
        post?: never;
        /**
         * Delete an alert rule
         * @description Deletes a rule and resolves its alerts, with a message; they stay in the history. 409 for a rule that is built in, which can be switched off.
         */
        delete: operations["delete_alert_rule"];
        options?: never;
        head?: never;
        /**
         * Update an alert rule
         * @description Changes the fields that are given and keeps the others. Set `enabled` to false to switch the rule off: its alerts are resolved, with a message.
         */
        patch: operations["change_alert_rule"];
        trace?: never;
    };
    "/api/v1/alert-rules/{ref}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Test an alert rule
         * @description Sends a test message by all ways of a rule: the event `waypost.alert.firing` with the `occasion` `test`, and a message to each address and URL. The rule's alerts stay as they are.
         */
        post: operations["test_alert_rule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alert-rules/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview an alert rule
         * @description Evaluates a condition once, and tells how often a rule with it would have fired within the last 24 full hours. Nothing is stored or sent.
         */
        post: operations["preview_alert_rule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List alerts
         * @description Returns alerts, newest first: those that fire, and those of the last 90 days. Filter by state, rule, subject or time.
         */
        get: operations["list_alerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an alert
         * @description Returns one alert.
         */
        get: operations["get_alert"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/{ref}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Acknowledge an alert
         * @description Records that a person has taken the alert on: no reminders are sent from now on. The first acknowledgement stays. 409 if the alert is resolved.
         */
        post: operations["acknowledge_alert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/{ref}/snooze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Snooze an alert
         * @description Sends no reminders for `minutes`, and one then if the alert still fires. 409 if it is resolved.
         */
        post: operations["snooze_alert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List audit entries
         * @description Returns who changed what, newest first, with the values before and after. Publishing, deliveries and received messages have no entries. A tenant's key sees what concerns its tenant.
         */
        get: operations["list_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an audit entry
         * @description Returns one entry of the audit.
         */
        get: operations["get_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export audit entries
         * @description Returns entries as JSON lines, oldest first, up to 50,000. Continue with `after`, the id of the last line, until there are none.
         */
        get: operations["export_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/broadcasts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List broadcasts
         * @description Returns broadcasts, newest first, with their progress. Platform keys only.
         */
        get: operations["list_broadcasts"];
        put?: never;
        /**
         * Create a broadcast
         * @description Publishes one event for all tenants (`all`), or for those with some `labels`, at `rate` tenants per second. Runs in the background; read its progress with *Get a broadcast*. Each tenant gets an event of its own, with the same source and id. Platform keys only.
         */
        post: operations["create_broadcast"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/broadcasts/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a broadcast
         * @description Returns one broadcast with its progress: for how many tenants the event was published. Platform keys only.
         */
        get: operations["get_broadcast"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/broadcasts/{ref}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a broadcast
         * @description Stops a broadcast; events that it has published still go out. Idempotent; 409 if it has finished. Platform keys only.
         */
        post: operations["cancel_broadcast"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/broadcasts/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview a broadcast
         * @description Counts the tenants for which a broadcast would publish, without publishing. Platform keys only.
         */
        post: operations["preview_broadcast"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/connectors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List connectors
         * @description Returns the systems for which ready settings exist, such as Slack or PagerDuty. Each has a form; from it an endpoint is created that sends events as the other system's API accepts them.
         */
        get: operations["list_connectors"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/connectors/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a connector
         * @description Returns one connector with the fields of its form, its messages and a sample.
         */
        get: operations["get_connector"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/connectors/{ref}/endpoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create an endpoint from a connector
         * @description Fills the settings into the connector's request and creates an endpoint with the subscriptions that send its messages. The endpoint is like any other: it can be read, changed and deleted with `/endpoints/`, its subscriptions with `/subscriptions/`.
         */
        post: operations["create_connector_endpoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/connectors/{ref}/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview a connector
         * @description Shows the exact request that a connector would send for an event with these settings: its sample, an event that is given, or a published one. Credentials are not needed, and shown as `***`. Nothing is stored or sent.
         */
        post: operations["preview_connector"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/data/{event}/{endpoint}/{until}/{signature}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the data of a referenced event
         * @description Returns the `data` of an event, byte for byte, to a client that has the signed link sent as `dataref`. Needs no API key; the link expires.
         */
        get: operations["get_event_data"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letter-jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List dead letter jobs
         * @description Returns jobs that discard or acknowledge dead letters, newest first.
         */
        get: operations["list_dead_letter_jobs"];
        put?: never;
        /**
         * Discard or acknowledge dead letters
         * @description Discards or acknowledges the dead letters that match `filter`. Runs in the background; read its progress with *Get a dead letter job*. Dead letters that are closed already are left as they are.
         */
        post: operations["create_dead_letter_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letter-jobs/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a dead letter job
         * @description Returns one job with its progress.
         */
        get: operations["get_dead_letter_job"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letter-jobs/{ref}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a dead letter job
         * @description Stops a job; what it has discarded or acknowledged stays so. Idempotent; 409 if it has finished.
         */
        post: operations["cancel_dead_letter_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letter-jobs/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview a dead letter job
         * @description Counts the dead letters that a job with this filter would change, without changing anything.
         */
        post: operations["preview_dead_letter_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List dead letters
         * @description Returns deliveries that were given up, newest first, with the cause, the last response and the number of attempts, in every `state` unless you ask for one.
         */
        get: operations["list_dead_letters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letters/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a dead letter
         * @description Returns one dead letter.
         */
        get: operations["get_dead_letter"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letters/{ref}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Acknowledge a dead letter
         * @description Takes a dead letter out of the number of open ones, on the dashboard and in alert rules. It can still be replayed or discarded. Idempotent; 409 if it is closed. To acknowledge many, create a job.
         */
        post: operations["acknowledge_dead_letter"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letters/{ref}/discard": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Discard a dead letter
         * @description Closes a dead letter without sending anything again; it cannot be replayed any more. The delivery stays dead. Idempotent; 409 if it was replayed. To discard many, create a job.
         */
        post: operations["discard_dead_letter"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/dead-letters/{ref}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Replay a dead letter
         * @description Sends the delivery of a dead letter again, with the same `webhook-id`. The retry plan starts anew; rate limit and circuit breaker still apply. 409 if it is closed, its payload was erased, or its endpoint is disabled.
         */
        post: operations["replay_dead_letter"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List deliveries
         * @description Returns deliveries, newest first: one event for one endpoint each. Filter by endpoint, event, state, error, status or time.
         */
        get: operations["list_deliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a delivery
         * @description Returns one delivery with its latest attempts: what was sent, the response, and when the next attempt is due.
         */
        get: operations["get_delivery"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}/attempts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List a delivery's attempts
         * @description Returns every attempt of a delivery, newest first.
         */
        get: operations["list_delivery_attempts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}/attempts/{attempt}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an attempt
         * @description Returns one attempt of a delivery by its number or id: the request exactly as it was sent, with a curl command that repeats it, and the response. What is not known any more, because the endpoint was changed since, is named in `request.changed`.
         */
        get: operations["get_delivery_attempt"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a delivery
         * @description Ends a delivery that is not finished; no further attempt is made. An attempt in progress is recorded. 409 if it has already ended.
         */
        post: operations["cancel_delivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}/request": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a delivery's request
         * @description Returns the request as it would be sent now, with the endpoint's current settings: URL, headers and body (transformed, if the subscription transforms it). It is not signed. Each attempt shows the request that was sent. 409 if the payload was erased or the endpoint lacks what it takes to send.
         */
        get: operations["get_delivery_request"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resend a delivery
         * @description Sends one delivery again, whatever its state: delivered, dead, cancelled or pending. The receiver gets the same `webhook-id`. The retry plan starts anew; rate limit and circuit breaker still apply. 409 while an attempt is in progress, if the payload was erased, or if the endpoint is disabled.
         */
        post: operations["resend_delivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry a delivery now
         * @description Makes the next attempt due at once, ahead of the retry plan. The endpoint's rate limit, its circuit breaker and a pause that it asked for with `Retry-After` still apply. 409 if the delivery has ended.
         */
        post: operations["retry_delivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{ref}/set-aside": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Set a delivery aside
         * @description Moves an unfinished delivery to the dead letters, so that ordered deliveries behind it can go on. It can be replayed later.
         */
        post: operations["set_delivery_aside"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel deliveries by filter
         * @description Cancels the unfinished deliveries that match a filter, up to a limit per request; `has_more` says whether to repeat it.
         */
        post: operations["cancel_deliveries"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/cancel/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview the cancelling of deliveries
         * @description Counts the unfinished deliveries that match a filter, without changing anything.
         */
        post: operations["preview_cancel_deliveries"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoint-stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the statistics of several endpoints
         * @description Returns attempts, success rate, latency percentiles and the last error of the tenant's endpoints together, hour by hour and in total: of all, or of those with some `labels` or in a `state`.
         */
        get: operations["get_endpoint_stats_of_all"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoint-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List types of endpoints
         * @description Returns the systems that deliveries can be written to, with the settings and credentials of each, and `http`, which is called by its URL.
         */
        get: operations["list_endpoint_types"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List endpoints
         * @description Returns the tenant's endpoints, newest first. Filter by `uid`, type, URL, state, labels, text or time.
         */
        get: operations["list_endpoints"];
        put?: never;
        /**
         * Create an endpoint
         * @description Registers a URL to send webhooks to, and creates the secret that signs them. Only this response contains the secret; if it is lost, rotate it. `subscriptions` select the events to send to it; they can also be created later. With a `type` other than `http` events are written to another system, such as a queue; its settings are tried, and refused with the field at fault if they do not work.
         */
        post: operations["create_endpoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an endpoint
         * @description Returns one endpoint, by id or `uid`.
         */
        get: operations["get_endpoint"];
        /**
         * Replace an endpoint
         * @description Sets every field of an endpoint; a field that is left out gets its default. A `uid` in the path that no endpoint has creates the endpoint (201). A `secret` is accepted here only if it is the current one. If endpoints have to be verified, a new URL has to be verified again.
         */
        put: operations["replace_endpoint"];
        post?: never;
        /**
         * Delete an endpoint
         * @description Deletes an endpoint. Its pending deliveries, retries too, become dead letters with the cause `endpoint_deleted` within a minute. Its past deliveries can still be read.
         */
        delete: operations["delete_endpoint"];
        options?: never;
        head?: never;
        /**
         * Update an endpoint
         * @description Changes the fields that are given and keeps the others. Set `state` to `paused` to hold deliveries, and to `active` to resume; deliveries that were held are then sent, within the endpoint's rate limit.
         */
        patch: operations["change_endpoint"];
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/acknowledgements": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Acknowledge messages
         * @description Reports which messages a consumer has processed, which have failed and why, and which it is still processing. Up to 1,000 at once; each has its own result. Idempotent: an acknowledgement also counts after the visibility timeout. 409 for an endpoint of another type than `poll`.
         */
        post: operations["acknowledge_messages"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an endpoint's history
         * @description Returns the attempts of each day or month (UTC), their success, failures and durations. Kept for ten years, whatever the retention of events.
         */
        get: operations["get_endpoint_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an endpoint's public keys
         * @description Returns the Ed25519 keys that verify the `v1a` signatures of this endpoint, as a JSON Web Key Set (RFC 7517). The set is empty if deliveries to the endpoint are signed with a shared secret.
         */
        get: operations["get_endpoint_keys"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/masking-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an endpoint's masking keys
         * @description Returns the keys that decrypt the values which the endpoint's own masks `encrypt`. Each endpoint has others, so that they can be given to its receiver.
         */
        get: operations["get_endpoint_masking_keys"];
        put?: never;
        /**
         * Rotate an endpoint's masking key
         * @description Creates the next key of values that the endpoint's own masks `encrypt`. What is published from then on is encrypted by it, within a second. Older keys stay, to read what they have encrypted, and hashes stay the same.
         */
        post: operations["rotate_endpoint_masking_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Pull messages
         * @description Hands out messages of an endpoint of the type `poll`, oldest first. Each has to be acknowledged within the endpoint's visibility timeout; else it is handed out again, by the retry plan. With `wait` the response comes when there is a message, or empty when the time is over. With `Accept: text/event-stream` it does not end: each message is an event whose data is the message as JSON, and whose id is the cursor; after an interruption `Last-Event-ID` continues. Messages that were handed out behind `after` and did not arrive are handed out again at once. 409 for an endpoint of another type.
         */
        get: operations["pull_messages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry an endpoint's deliveries now
         * @description Says that the endpoint works again. All its deliveries that wait for a retry become due, within seconds if there are many, an open circuit breaker sends a probe at once, and a pause that the endpoint asked for with `Retry-After` ends. Rate limit and order still apply. Returns the delivery status. 409 unless the endpoint is active.
         */
        post: operations["retry_endpoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/secrets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List an endpoint's signing secrets
         * @description Returns the active signing secrets, without their text. During a rotation several are active, and every delivery has one signature for each of them.
         */
        get: operations["list_endpoint_secrets"];
        put?: never;
        /**
         * Rotate an endpoint's signing secret
         * @description Creates a new signing secret. For `overlap_seconds`, deliveries are signed with the old secret too, so that the receiver can switch to the new one without rejecting a webhook; 0 ends the old one at once. Only this response contains the text of the secret.
         */
        post: operations["create_endpoint_secret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/secrets/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an endpoint's signing secret
         * @description Returns one active signing secret, without its text.
         */
        get: operations["get_endpoint_secret"];
        put?: never;
        post?: never;
        /**
         * End an endpoint's signing secret
         * @description Ends an older secret at once, before its overlap is over, for example because it leaked. 409 for the current secret, which signs alone: create another first.
         */
        delete: operations["delete_endpoint_secret"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an endpoint's statistics
         * @description Returns attempts, success rate, latency percentiles and the last error, hour by hour and in total.
         */
        get: operations["get_endpoint_stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an endpoint's delivery status
         * @description Returns how deliveries to this endpoint are going: its state, rate, concurrency, circuit breaker and backlog, and for ordered endpoints the deliveries that block others.
         */
        get: operations["get_endpoint_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a test delivery
         * @description Sends one signed test event to the endpoint now, as its subscription would send it (transformed), and returns the request, the response and the timing. With `dry_run` the request is only shown. Counts towards nothing and is not retried. A success enables an endpoint that was disabled because it failed, and retries at once what waits for an endpoint that fails.
         */
        post: operations["test_endpoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/{ref}/verification": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Verify an endpoint
         * @description Asks the endpoint whether it wants webhooks: by the CloudEvents handshake (an OPTIONS request), or by a signed event whose challenge it has to return.
         */
        post: operations["verify_endpoint"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create or replace many endpoints
         * @description Creates the endpoints whose `uid` is free and replaces the others, as a PUT of each would, with their `subscriptions`. A malformed item is a 400 that names it, such as `data.3.url`, and nothing is changed. Otherwise each item has a transaction and a result of its own: one that cannot be done does not undo the others. Sent again, the same batch changes nothing.
         */
        post: operations["put_endpoints"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Delete endpoints by filter
         * @description Deletes the endpoints that match a filter, oldest first, with their subscriptions, at most 1,000 in a request; `has_more` says whether to repeat it. Their pending deliveries become dead letters.
         */
        post: operations["delete_endpoints"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/endpoints/delete/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview the deletion of endpoints
         * @description Counts the endpoints that match a filter, and changes nothing.
         */
        post: operations["preview_delete_endpoints"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/erasures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List erasures
         * @description Returns erasures, newest first, with their progress.
         */
        get: operations["list_erasures"];
        put?: never;
        /**
         * Erase by subject
         * @description Erases the data of all events with this `subject` that exist now: bodies, originals, responses and reasons of their deliveries and dead letters, and the receipts that they were published from. Unfinished deliveries are cancelled. Runs in the background; read its progress with *Get an erasure*. What was delivered cannot be recalled.
         */
        post: operations["create_erasure"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/erasures/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an erasure
         * @description Returns one erasure with its progress. When it has ended, only the keyed hash of the subject is left.
         */
        get: operations["get_erasure"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/erasures/{ref}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel an erasure
         * @description Stops an erasure; what it has erased stays erased. Idempotent; 409 if it has finished.
         */
        post: operations["cancel_erasure"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/erasures/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview an erasure
         * @description Counts what there is about a subject, without erasing anything.
         */
        post: operations["preview_erasure"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/event-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List event types
         * @description Returns the event types the tenant may publish and subscribe to: the platform's and its own. At the end, beyond `limit`, the types of the platform's own events (`waypost.*`), which cannot be changed.
         */
        get: operations["list_event_types"];
        put?: never;
        /**
         * Create an event type
         * @description Describes an event type: name, description, JSON Schema (draft 2020-12), examples, and what to do with events that do not match the schema (`off`, `warn`, `enforce`).
         */
        post: operations["create_event_type"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/event-types/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an event type
         * @description Returns one event type with its current schema, by id or name.
         */
        get: operations["get_event_type"];
        /**
         * Replace an event type
         * @description Sets every field of an event type. A changed schema becomes its next version; earlier versions stay readable.
         */
        put: operations["replace_event_type"];
        post?: never;
        /**
         * Delete an event type
         * @description Deletes an event type with its schemas. Events of this type are then accepted without a check.
         */
        delete: operations["delete_event_type"];
        options?: never;
        head?: never;
        /**
         * Update an event type
         * @description Changes the fields that are given and keeps the others. A changed schema becomes its next version.
         */
        patch: operations["change_event_type"];
        trace?: never;
    };
    "/api/v1/event-types/{ref}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List an event type's schema versions
         * @description Returns every schema the event type has had, newest first.
         */
        get: operations["list_event_type_versions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/event-types/asyncapi": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export event types as AsyncAPI
         * @description Returns the event types as an AsyncAPI 3.0 document.
         */
        get: operations["export_event_types_as_asyncapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/event-types/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Import event types
         * @description Creates or updates event types from the `webhooks` of an OpenAPI 3.1 document. With `dry_run` it only reports what would change. Nothing is changed if any part is invalid.
         */
        post: operations["import_event_types"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/event-types/openapi": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export event types as OpenAPI
         * @description Returns the event types as the `webhooks` of an OpenAPI 3.1 document, for code generators.
         */
        get: operations["export_event_types_as_openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List events
         * @description Returns published events, newest first, without their data. Filter by type, subject, time, or the CloudEvent's own id.
         */
        get: operations["list_events"];
        put?: never;
        /**
         * Publish an event
         * @description Publishes one event. Only `type` is required; id, source and time are filled in if they are missing. 202 means that the event and its deliveries are on disk. The same (source, id) again is reported as a duplicate and changes nothing. A CloudEvent 1.0 may also be sent in structured mode (`application/cloudevents+json`) or in binary mode (headers `ce-...`). A request of Amazon EventBridge's PutEvents (`{"Entries": [...]}`) gets the response that EventBridge gives, with 200.
         */
        post: operations["create_event"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an event
         * @description Returns one event; `event` is the CloudEvent, byte for byte as it is signed and sent.
         */
        get: operations["get_event"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events/{ref}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a scheduled event
         * @description Cancels an event that waits for its `deliver_at`: it gets no deliveries. Idempotent; 409 if its time has come, when its deliveries can be cancelled.
         */
        post: operations["cancel_event"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events/{ref}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List an event's deliveries
         * @description Returns the deliveries of one event, newest first: one for each endpoint it was routed to.
         */
        get: operations["list_event_deliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events/{ref}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Explain an event's routing
         * @description Returns, for every endpoint of the tenant, whether the event was sent to it and what became of it, or the first reason why not: state, event type, pattern. `message` says it in words if the tenant has no endpoints or no subscriptions.
         */
        get: operations["explain_event"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events/{ref}/payload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Erase an event's data
         * @description Deletes the event's data, transformed bodies and recorded responses, and cancels its pending deliveries. Id, type and times stay. Idempotent. 404 if the event does not exist.
         */
        delete: operations["delete_event_payload"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Publish a batch of events
         * @description Publishes up to 1,000 events, each as `POST /events/` would. Each has its own result, in order: those that are `accepted` are on disk with their deliveries, the others name their problem. If none is accepted, the response is the problem that they share, or 400. CloudEvents may also be sent as `application/cloudevents-batch+json`.
         */
        post: operations["create_event_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/grants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List grants
         * @description Returns the grants that the tenant has given and those that it was given, newest first, ended ones too.
         */
        get: operations["list_grants"];
        put?: never;
        /**
         * Create a grant
         * @description Lets another tenant, the grantee, subscribe to events of this one: those of the given `event_types` that also match the `pattern`, if there is one, published from now on. The grantee names the grant in its subscriptions; deliveries, endpoints and limits are its own.
         */
        post: operations["create_grant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/grants/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a grant
         * @description Returns one grant, given or received, by id.
         */
        get: operations["get_grant"];
        /**
         * Replace a grant
         * @description Sets every field of a grant in force but the grantee; a field that is left out gets its default. Only its owner can. Applies to events published from then on.
         */
        put: operations["replace_grant"];
        post?: never;
        /**
         * End a grant
         * @description Ends a grant for good: no further event is shared. It stays in lists with `ended_at`. Events that were shared before stay with the grantee, and so do their deliveries. Only the owner can.
         */
        delete: operations["delete_grant"];
        options?: never;
        head?: never;
        /**
         * Update a grant
         * @description Changes the fields that are given and keeps the others. Only the owner of a grant in force can. Applies to events published from then on.
         */
        patch: operations["change_grant"];
        trace?: never;
    };
    "/api/v1/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the history
         * @description Returns events, deliveries and attempts of each day or month (UTC) of a tenant; with a platform key that names no tenant, of all tenants. Kept for ten years, whatever the retention of events. Usage by event type: `GET /usage/`.
         */
        get: operations["get_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/inspectors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List request inspectors
         * @description Returns the tenant's request inspectors, newest first.
         */
        get: operations["list_inspectors"];
        put?: never;
        /**
         * Create a request inspector
         * @description Creates an address (`url`) that responds to every request and keeps the latest 100, and a page (`page_url`) that shows them in a browser while they arrive. Create an endpoint with this `url` to see what your customers receive, and whether the signature verifies; choose `response_status` and `response_delay_ms` to see retries and timeouts. A tenant may have 10 inspectors at a time.
         */
        post: operations["create_inspector"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/inspectors/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a request inspector
         * @description Returns one request inspector.
         */
        get: operations["get_inspector"];
        put?: never;
        post?: never;
        /**
         * Delete a request inspector
         * @description Deletes the inspector and its requests. Requests to its address get 404 from then on.
         */
        delete: operations["delete_inspector"];
        options?: never;
        head?: never;
        /**
         * Update a request inspector
         * @description Changes the name, or how the inspector responds from now on.
         */
        patch: operations["change_inspector"];
        trace?: never;
    };
    "/api/v1/inspectors/{ref}/requests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the requests of an inspector
         * @description Returns the latest 100 requests that the inspector received, newest first: method, path, headers, body, and whether the signature verifies. Values of headers that may hold credentials are `[removed]`.
         */
        get: operations["list_inspector_requests"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List API keys
         * @description Returns the tenant's API keys without their text: name, scopes, prefix, expiry and last use.
         */
        get: operations["list_keys"];
        put?: never;
        /**
         * Create an API key
         * @description Creates an API key. Its text is in this response and nowhere else: store it now. Scopes: `publish` (publish events), `read` (all reads), `manage` (every change; it does not include reading), `consume` (pull and acknowledge messages). A key can be limited to one `endpoint` and to a time (`expires_in`), for a page of your customer; a platform key (`platform`) acts for every tenant.
         */
        post: operations["create_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get an API key
         * @description Returns one API key without its text.
         */
        get: operations["get_key"];
        put?: never;
        post?: never;
        /**
         * Revoke an API key
         * @description Revokes a key at once; requests with it get 401 from then on.
         */
        delete: operations["delete_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys/{ref}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rotate an API key
         * @description Creates a new key with the same name and scopes. The old key goes on working for `overlap_seconds`, so that you can deploy the new one without a gap. The new text is in this response only.
         */
        post: operations["rotate_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/masking-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the masking keys
         * @description Returns the keys that decrypt the values which event types `encrypt`: those of the tenant's own types, and to a platform key those of the platform's types too.
         */
        get: operations["get_masking_keys"];
        put?: never;
        /**
         * Rotate a masking key
         * @description Creates the next key of values that event types `encrypt`. What is published from then on is encrypted by it, within a second. Older keys stay, to read what they have encrypted, and hashes stay the same.
         */
        post: operations["rotate_masking_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List plans
         * @description Returns the plans there are. A tenant sees the plan it is on.
         */
        get: operations["list_plans"];
        put?: never;
        /**
         * Create a plan
         * @description Creates a plan: what its tenants may use. A limit that is left out does not apply. Platform keys only.
         */
        post: operations["create_plan"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a plan
         * @description Returns one plan, by id or `uid`.
         */
        get: operations["get_plan"];
        /**
         * Replace a plan
         * @description Sets every limit of a plan; a limit that is left out no longer applies. Takes effect for its tenants within a second. Platform keys only.
         */
        put: operations["replace_plan"];
        post?: never;
        /**
         * Delete a plan
         * @description Deletes a plan that no tenant is on; 409 otherwise. Platform keys only.
         */
        delete: operations["delete_plan"];
        options?: never;
        head?: never;
        /**
         * Update a plan
         * @description Changes the limits that are given and keeps the others. Takes effect for the plan's tenants within a second. Platform keys only.
         */
        patch: operations["change_plan"];
        trace?: never;
    };
    "/api/v1/portal-links": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List portal links
         * @description Returns portal links, newest first, without their URLs: who created each, when and from where it was opened, and when its session ends.
         */
        get: operations["list_portal_links"];
        put?: never;
        /**
         * Create a portal link
         * @description Creates a one-time link (`url`) to the portal of the tenant: pages on which your customer manages endpoints, finds messages and sends them again. Send the user's browser there at once, or give it to the element `<waypost-portal>` to show the pages inside yours. The first browser that opens it gets a session for this tenant and nothing else. The key needs the scope of each capability: `read` for `view` and `payloads`, `manage` for the others.
         */
        post: operations["create_portal_link"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/portal-links/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a portal link
         * @description Returns one portal link without its URL.
         */
        get: operations["get_portal_link"];
        put?: never;
        post?: never;
        /**
         * Revoke a portal link
         * @description Revokes a link, and ends the session that it opened, at once.
         */
        delete: operations["delete_portal_link"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipt-replays": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List replays of receipts
         * @description Returns replays of receipts, newest first, with their progress.
         */
        get: operations["list_receipt_replays"];
        put?: never;
        /**
         * Create a replay of receipts
         * @description Runs the handlers again on the receipts that match `filter` (default state: dead), source by source, oldest first, at `rate` receipts per second. Runs in the background; read its progress with *Get a replay of receipts*. Receipts that are pending, or were settled later, stay as they are.
         */
        post: operations["create_receipt_replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipt-replays/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a replay of receipts
         * @description Returns one replay with its progress, and what became of its receipts: how many are processed, dead again or pending.
         */
        get: operations["get_receipt_replay"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipt-replays/{ref}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a replay of receipts
         * @description Stops a replay; the handlers still run on receipts that it has made due. Idempotent; 409 if it has finished.
         */
        post: operations["cancel_receipt_replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipt-replays/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview a replay of receipts
         * @description Counts the receipts that a replay with this filter would run again, without changing anything.
         */
        post: operations["preview_receipt_replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List receipts
         * @description Returns stored messages, newest first. Filter by source, state, event type, message id, text or time.
         */
        get: operations["list_receipts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipts/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a receipt
         * @description Returns one receipt: its labels, headers without credentials, and how its handlers have got on.
         */
        get: operations["get_receipt"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipts/{ref}/attempts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List a receipt's attempts
         * @description Returns the latest 20 runs of the receipt's handlers, newest first, each with its error and traceback. Runs before a replay are listed too.
         */
        get: operations["list_receipt_attempts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipts/{ref}/body": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Download a receipt's body
         * @description Returns the message's body, byte for byte, as an attachment.
         */
        get: operations["get_receipt_body"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipts/{ref}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Replay a receipt
         * @description Runs the handlers again on one receipt that is processed or dead, with its whole retry plan, and returns it. A receipt that is pending stays as it is.
         */
        post: operations["replay_receipt"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/receipts/{ref}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry a receipt now
         * @description Runs the handlers at once on a receipt that waits for a retry, ahead of the retry plan, and returns it. 409 if it is processed or dead: replay it.
         */
        post: operations["retry_receipt"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/rejections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List rejections
         * @description Returns a sample of the requests that were rejected, newest first, with the reason and the headers without credentials. `suppressed_count` says how many more were not stored.
         */
        get: operations["list_rejections"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/rejections/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a rejection
         * @description Returns one rejection.
         */
        get: operations["get_rejection"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/replays": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List replays
         * @description Returns replays, newest first, with their progress.
         */
        get: operations["list_replays"];
        put?: never;
        /**
         * Create a replay
         * @description Sends dead letters, or past events, again: those that match `filter`, at `rate` deliveries per second. Runs in the background; read its progress with *Get a replay*. Each delivery is replayed at most once per replay, with its original bytes and `webhook-id`.
         */
        post: operations["create_replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/replays/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a replay
         * @description Returns one replay with its progress, and what became of its deliveries: how many are delivered, dead or waiting, and which endpoints do not get theirs now.
         */
        get: operations["get_replay"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/replays/{ref}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a replay
         * @description Stops a replay; deliveries it has already queued still go out. Idempotent; 409 if it has finished.
         */
        post: operations["cancel_replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/replays/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview a replay
         * @description Counts what a replay with this filter would send, without sending anything.
         */
        post: operations["preview_replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List schedules
         * @description Returns the tenant's schedules, newest first. Filter by state, group, or text.
         */
        get: operations["list_schedules"];
        put?: never;
        /**
         * Create a schedule
         * @description Publishes an event at the times of an expression in a time zone. A local time that clocks skip has no occurrence, one that they show twice has one. Each occurrence is published exactly once, under an id made of the schedule and the time.
         */
        post: operations["create_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a schedule
         * @description Returns one schedule, by id or `uid`, with its next occurrence.
         */
        get: operations["get_schedule"];
        /**
         * Create or replace a schedule
         * @description Sets every field of a schedule; a field that is left out gets its default, except the state. Creates it if no schedule has the `uid` in the path.
         */
        put: operations["replace_schedule"];
        post?: never;
        /**
         * Delete a schedule
         * @description Deletes a schedule. Events that it has published stay.
         */
        delete: operations["delete_schedule"];
        options?: never;
        head?: never;
        /**
         * Update a schedule
         * @description Changes the fields that are given and keeps the others. Set `state` to `paused` to publish nothing, and to `active` to continue with the next occurrence. A completed schedule with new times is active again.
         */
        patch: operations["change_schedule"];
        trace?: never;
    };
    "/api/v1/schedules/{ref}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Run a schedule now
         * @description Publishes the event of a schedule now, whatever its state, and returns the result as *Publish an event* does. Its occurrences stay as they are.
         */
        post: operations["create_schedule_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Import a schedule from Amazon EventBridge Scheduler
         * @description Creates a schedule from the request of `CreateSchedule`, or the response of `GetSchedule`. The input of the target becomes the data of the event, the name the `uid`. What only AWS has a use for (ARNs, retry policy, dead-letter queue) is not stored: deliveries have retries and dead letters of their own.
         */
        post: operations["create_schedule_import"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview a schedule
         * @description Returns the next ten occurrences of an expression, in its time zone and in UTC, and how close two of them are. Nothing is stored.
         */
        post: operations["create_schedule_preview"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/senders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List known senders
         * @description Returns the senders that Waypost knows, with the settings that a source has which is created with the sender's name: signature scheme, handshake, paths and response.
         */
        get: operations["list_senders"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/source-kinds": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List kinds of sources
         * @description Returns the systems that sources can read, with the settings and credentials of each, and `http`, whose messages are posted by senders.
         */
        get: operations["list_source_kinds"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List sources
         * @description Returns the tenant's sources, newest first. Filter by `uid`, URL, kind, state, sender, labels, text or time. A source is an address that receives webhooks of one sender, or another system that is read.
         */
        get: operations["list_sources"];
        put?: never;
        /**
         * Create a source
         * @description Creates an address that receives webhooks: the sender's signature scheme and secret, what to extract from each message, and how to respond. The response has the address to give to the sender; a generated secret is shown here only. With a `kind` other than `http` it reads another system: a database, a broker, a queue. Its settings are tried, and refused with the field at fault if they do not work (400 within seconds).
         */
        post: operations["create_source"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a source
         * @description Returns one source, by id or `uid`, without its secrets.
         */
        get: operations["get_source"];
        /**
         * Replace a source
         * @description Sets every field of a source; a field that is left out gets its default, or the value of the sender's preset. A `uid` in the path that no source has creates the source (201). Secrets stay: rotate them.
         */
        put: operations["replace_source"];
        post?: never;
        /**
         * Delete a source
         * @description Deletes a source; its address responds 410 to signed messages from then on. Stored receipts stay for their retention.
         */
        delete: operations["delete_source"];
        options?: never;
        head?: never;
        /**
         * Update a source
         * @description Changes the fields that are given and keeps the others. Applies to the next message, within a second.
         */
        patch: operations["change_source"];
        trace?: never;
    };
    "/api/v1/sources/{ref}/partitions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List a source's partitions
         * @description Returns where reading a source goes on, how far it is behind, and its latest error: one row for each partition of the other system, or one for all of it. Empty for a source that senders post to.
         */
        get: operations["list_source_partitions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}/secrets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List a source's secrets
         * @description Returns the secrets that are accepted at the moment, without their text.
         */
        get: operations["list_source_secrets"];
        put?: never;
        /**
         * Rotate a source's secret
         * @description Adds a secret. Older ones of its `name` are accepted for `overlap_seconds` more, so that the sender can change over without a rejected message; 0 ends them at once. The text is in this response only.
         */
        post: operations["create_source_secret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}/secrets/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a source's secret
         * @description Returns one active secret, without its text.
         */
        get: operations["get_source_secret"];
        put?: never;
        post?: never;
        /**
         * End a source's secret
         * @description Ends a secret at once, for example because it leaked; messages signed with it are rejected from then on.
         */
        delete: operations["delete_source_secret"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}/secrets/{id}/reveal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Reveal a secret that the sender gave
         * @description Returns a secret with its text, if the sender gave it in its handshake: some senders want it to be entered at their side. 404 for all other secrets, which are never shown again.
         */
        post: operations["reveal_source_secret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}/seek": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Seek in a source
         * @description Moves where reading goes on, of one partition or of all. Records that are read again are duplicates as long as their receipts are kept.
         */
        post: operations["seek_source"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}/settings/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Test the stored settings of a source
         * @description Connects to the other system as the source does, and says what was found, with the latest record, which stays unread. 400 with the field at fault if it does not work.
         */
        post: operations["test_stored_source_settings"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a source's statistics
         * @description Returns counts by hour (received, duplicates, rejected, throttled, processed, handler failures), and how many receipts are pending and dead now.
         */
        get: operations["get_source_stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/{ref}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a source a test message
         * @description Sends the source a sample message, signed as its sender signs, and returns the response and the stored receipt or rejection.
         */
        post: operations["test_source"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sources/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Test the settings of a source
         * @description Connects to the other system with the settings and credentials of a source that need not exist, and says what was found, with the latest record. Nothing is stored and nothing changed there. 400 with the field at fault, within seconds, if it does not work.
         */
        post: operations["test_source_settings"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the status of the platform
         * @description Returns how busy the platform is and whether it needs more capacity: the drains and web processes with their load, the backlog, and the endpoints that are behind, with reasons. Platform keys only.
         */
        get: operations["get_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/subscriptions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List subscriptions
         * @description Returns the tenant's subscriptions, newest first. Filter by `uid`, endpoint, labels, event type or time.
         */
        get: operations["list_subscriptions"];
        put?: never;
        /**
         * Create a subscription
         * @description Sends matching events to an endpoint, or to all endpoints that have some labels: those of the given `event_types` (`order.*` matches a prefix) that also match the `pattern`, if there is one. A `transformer` gives the body another shape.
         */
        post: operations["create_subscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/subscriptions/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a subscription
         * @description Returns one subscription, by id or `uid`.
         */
        get: operations["get_subscription"];
        /**
         * Replace a subscription
         * @description Sets every field of a subscription; a field that is left out gets its default. Applies to events published from then on. A `uid` in the path that no subscription has creates the subscription (201).
         */
        put: operations["replace_subscription"];
        post?: never;
        /**
         * Delete a subscription
         * @description Deletes a subscription. Applies to events published from then on. Deliveries that are already pending, retries too, still go out; cancel them to stop them.
         */
        delete: operations["delete_subscription"];
        options?: never;
        head?: never;
        /**
         * Update a subscription
         * @description Changes the fields that are given and keeps the others. Applies to events published from then on.
         */
        patch: operations["change_subscription"];
        trace?: never;
    };
    "/api/v1/subscriptions/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Delete subscriptions by filter
         * @description Deletes the subscriptions that match a filter, oldest first, at most 1,000 in a request; `has_more` says whether to repeat it.
         */
        post: operations["delete_subscriptions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/subscriptions/delete/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview the deletion of subscriptions
         * @description Counts the subscriptions that match a filter, and changes nothing.
         */
        post: operations["preview_delete_subscriptions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/subscriptions/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Test a subscription
         * @description Tries a subscription, stored or only given in the request, on events, stored or given: whether each matches, which condition fails otherwise, and the exact request that would be sent. Nothing is stored or sent.
         */
        post: operations["test_subscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List tenants
         * @description Returns the tenants an operator manages, newest first. Filter by `uid`, labels, text or time. A tenant's own key sees that tenant only.
         */
        get: operations["list_tenants"];
        put?: never;
        /**
         * Create a tenant
         * @description Creates a tenant: one of your customers, with its own endpoints, events and keys. Operators only. Give `uid` your own id of the customer; it is accepted wherever the tenant's id is.
         */
        post: operations["create_tenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tenants/{ref}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a tenant
         * @description Returns one tenant, by id or `uid`.
         */
        get: operations["get_tenant"];
        /**
         * Replace a tenant
         * @description Sets every field of a tenant; a field that is left out gets its default. A `uid` in the path that no tenant has creates the tenant (201): call it for each of your customers, as often as you like. Platform keys only.
         */
        put: operations["replace_tenant"];
        post?: never;
        /**
         * Delete a tenant
         * @description Deletes a tenant: its keys stop working, its endpoints stop receiving, its pending deliveries and received messages become dead letters, its sources respond as deleted ones, its replays are cancelled. Platform keys only. Cannot be undone.
         */
        delete: operations["delete_tenant"];
        options?: never;
        head?: never;
        /**
         * Update a tenant
         * @description Changes the fields that are given and keeps the others. Platform keys only.
         */
        patch: operations["change_tenant"];
        trace?: never;
    };
    "/api/v1/tenants/{ref}/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get a tenant's limits
         * @description Returns every limit that applies to the tenant, of its plan and of the operator, and what is used of it. A tenant reads its own.
         */
        get: operations["get_tenant_limits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get usage
         * @description Returns events and deliveries by tenant, day or month, and type, as JSON or (with `format=csv`) as CSV. Exact, and unaffected by retention.
         */
        get: operations["get_usage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/verification-callbacks/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Confirm an endpoint's verification by GET
         * @description The same as the POST, for confirming from a browser. Called with the URL in the handshake's `WebHook-Request-Callback`; `WebHook-Allowed-Rate` is optional. Needs no API key.
         */
        get: operations["confirm_verification_by_get"];
        put?: never;
        /**
         * Confirm an endpoint's verification
         * @description Called by the endpoint, with the URL from the handshake's `WebHook-Request-Callback`, to allow deliveries at the rate in `WebHook-Allowed-Rate`. Needs no API key.
         */
        post: operations["confirm_verification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An event of a batch that was accepted. */
        AcceptedEvent: {
            /** @description Deliveries of the event: one for each endpoint that receives it; of a duplicate, the first. 0 while routing is `deferred` or `scheduled`. */
            deliveries: number;
            /** @description Whether an event with this source and id was accepted before. Nothing is sent again. */
            duplicate: boolean;
            /** @description The CloudEvent's own id (`id` of the event that is sent), which you chose or we did. Accepted in paths and filters in place of `id`. */
            event_id: string;
            /** @description Id of the event in this API; of a duplicate, the id of the first. */
            id: string;
            /**
             * @description `routed`: the deliveries of the event are created. `deferred`: the event is accepted, and a worker creates its deliveries, because doing so at once would exceed a limit of publishing. `scheduled`: they are created at `deliver_at`. `cancelled`: it was cancelled before that.
             *
             *     * `routed` - Routed: its deliveries are created
             *     * `deferred` - Deferred: a worker creates its deliveries
             *     * `scheduled` - Scheduled: its deliveries are created at deliver_at
             *     * `cancelled` - Cancelled before deliver_at: it has no deliveries
             */
            routing: components["schemas"]["EventRouting"];
            /** @description Source of the CloudEvent. */
            source: string;
            /**
             * @description Whether the event was accepted, now or before.
             *
             *     * `accepted` - The event and its deliveries are on disk
             *     * `rejected` - See `error` (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            status: "accepted";
            /** @description What is wrong and was tolerated; absent if there is nothing. */
            warnings?: components["schemas"]["SchemaWarning"][];
        };
        /** @description The reports of a consumer about messages. At least one list must not be empty. */
        AcknowledgementsRequest: {
            /** @description Ids of messages that were processed: they are delivered. */
            acknowledged?: string[];
            /** @description Ids of messages that are still being processed: their visibility timeout begins anew. */
            extended?: string[];
            /** @description Messages that could not be processed: they are handed out again by the retry plan. */
            failed?: components["schemas"]["FailedMessageRequest"][];
        };
        /** @description A subject for which the condition of a rule holds, or held. */
        Alert: {
            /** @description Id of the tenant that the subject belongs to; null: none. */
            about_tenant: string | null;
            /**
             * Format: date-time
             * @description When a person took it on; no reminders since then.
             */
            acknowledged_at: string | null;
            /** @description The key or the admin user. */
            acknowledged_by: string;
            /** @description Condition of the rule. */
            condition: string;
            /**
             * Format: date-time
             * @description When it began to fire.
             */
            fired_at: string | null;
            /** @description Id, beginning with `alt_`. */
            id: string;
            /**
             * Format: date-time
             * @description When the condition was last seen to hold.
             */
            last_true_at: string;
            /** @description What is wrong, in a sentence. */
            message: string;
            /**
             * Format: date-time
             * @description When it was resolved.
             */
            resolved_at: string | null;
            /** @description Id of the rule. */
            rule: string;
            /** @description Name of the rule. */
            rule_name: string;
            /**
             * @description How urgent it is.
             *
             *     * `critical` - Critical
             *     * `warning` - Warning
             *     * `info` - Information
             */
            severity: components["schemas"]["AlertSeverity"];
            /**
             * Format: date-time
             * @description Since when the condition holds.
             */
            since: string;
            /** @description The key or the admin user. */
            snoozed_by: string;
            /**
             * Format: date-time
             * @description No reminders until then, and one if it still fires.
             */
            snoozed_until: string | null;
            /**
             * @description Whether it fires.
             *
             *     * `pending` - Pending
             *     * `firing` - Firing
             *     * `resolved` - Resolved
             */
            state: components["schemas"]["AlertState"];
            /** @description Id or name of the subject. */
            subject: string;
            /** @description The subject for people, such as a URL. */
            subject_name: string;
            /** @description Kind of the subject, such as `endpoint`. */
            subject_type: string;
            /**
             * Format: double
             * @description The figure that is compared with the limit; empty: there is none.
             */
            value: number | null;
        };
        /** @description A way by which the messages of a rule are sent. */
        AlertChannel: {
            /** @description Whether messages are sent: false while the owner of an address has not confirmed it. */
            confirmed: boolean;
            /** @description E-mail address. That of a tenant gets a link by which its owner confirms it, and no alerts before. For the type `email`. */
            email?: string | null;
            /** @description Endpoint that gets the events of the rule: id or `uid`. Unless it subscribes to `waypost.alert.*` already, a subscription is created for it. For the type `endpoint`. */
            endpoint?: string | null;
            /**
             * @description Kind of channel. `apprise` is for the operator's rules only.
             *
             *     * `endpoint` - An endpoint, whatever its type
             *     * `email` - An e-mail address
             *     * `apprise` - A URL of Apprise
             */
            type: components["schemas"]["AlertChannelType"];
            /** @description URL of Apprise, such as `slack://...`. Stored encrypted, and shown as `slack://***`; sent back like that, it stays as it is. For the type `apprise`. */
            url?: string | null;
        };
        /** @description A way by which the messages of a rule are sent. */
        AlertChannelRequest: {
            /** @description E-mail address. That of a tenant gets a link by which its owner confirms it, and no alerts before. For the type `email`. */
            email?: string | null;
            /** @description Endpoint that gets the events of the rule: id or `uid`. Unless it subscribes to `waypost.alert.*` already, a subscription is created for it. For the type `endpoint`. */
            endpoint?: string | null;
            /**
             * @description Kind of channel. `apprise` is for the operator's rules only.
             *
             *     * `endpoint` - An endpoint, whatever its type
             *     * `email` - An e-mail address
             *     * `apprise` - A URL of Apprise
             */
            type: components["schemas"]["AlertChannelType"];
            /** @description URL of Apprise, such as `slack://...`. Stored encrypted, and shown as `slack://***`; sent back like that, it stays as it is. For the type `apprise`. */
            url?: string | null;
        };
        /**
         * @description * `endpoint` - An endpoint, whatever its type
         *     * `email` - An e-mail address
         *     * `apprise` - A URL of Apprise
         * @enum {string}
         */
        AlertChannelType: "endpoint" | "email" | "apprise";
        /** @description A condition that rules can watch. */
        AlertCondition: {
            /** @description When it holds. */
            description: string;
            /** @description Whether a preview tells how often a rule would have fired yesterday. */
            has_past: boolean;
            /** @description Whether only the operator's rules can watch it. */
            is_for_operators: boolean;
            /** @description Name for people. */
            label: string;
            /**
             * @description Name in `condition`.
             *
             *     * `source_silent` - Source silent
             *     * `rejections` - Requests rejected
             *     * `dead_receipts` - Messages given up
             *     * `source_failing` - Source not read
             *     * `source_lag` - Source behind
             *     * `source_warning` - Source endangers the other system
             *     * `source_expiring` - Secrets of sources end
             *     * `endpoint_failing` - Endpoint fails
             *     * `endpoint_disabled` - Endpoint disabled
             *     * `circuit_open` - Circuit breaker open
             *     * `dead_letters` - Dead letters
             *     * `oldest_due` - Deliveries late
             *     * `success_rate` - Success rate low
             *     * `latency` - Endpoint slow
             *     * `events_silent` - No events
             *     * `plan_limit` - Limit of a plan
             *     * `schedule_late` - Schedules late
             *     * `expiring` - Certificates and keys end
             *     * `platform_workers` - Deliveries wait for workers
             *     * `platform_broker` - Broker away
             *     * `platform_database` - Database slow
             *     * `platform_disk` - Disk nearly full
             *     * `platform_processes` - Process silent
             */
            name: components["schemas"]["AlertConditionName"];
            /** @description Its settings. */
            settings: components["schemas"]["AlertConditionSetting"][];
        };
        /** @description All conditions that the key may use. */
        AlertConditionList: {
            /** @description The conditions. */
            data: components["schemas"]["AlertCondition"][];
        };
        /**
         * @description * `source_silent` - Source silent
         *     * `rejections` - Requests rejected
         *     * `dead_receipts` - Messages given up
         *     * `source_failing` - Source not read
         *     * `source_lag` - Source behind
         *     * `source_warning` - Source endangers the other system
         *     * `source_expiring` - Secrets of sources end
         *     * `endpoint_failing` - Endpoint fails
         *     * `endpoint_disabled` - Endpoint disabled
         *     * `circuit_open` - Circuit breaker open
         *     * `dead_letters` - Dead letters
         *     * `oldest_due` - Deliveries late
         *     * `success_rate` - Success rate low
         *     * `latency` - Endpoint slow
         *     * `events_silent` - No events
         *     * `plan_limit` - Limit of a plan
         *     * `schedule_late` - Schedules late
         *     * `expiring` - Certificates and keys end
         *     * `platform_workers` - Deliveries wait for workers
         *     * `platform_broker` - Broker away
         *     * `platform_database` - Database slow
         *     * `platform_disk` - Disk nearly full
         *     * `platform_processes` - Process silent
         * @enum {string}
         */
        AlertConditionName: "source_silent" | "rejections" | "dead_receipts" | "source_failing" | "source_lag" | "source_warning" | "source_expiring" | "endpoint_failing" | "endpoint_disabled" | "circuit_open" | "dead_letters" | "oldest_due" | "success_rate" | "latency" | "events_silent" | "plan_limit" | "schedule_late" | "expiring" | "platform_workers" | "platform_broker" | "platform_database" | "platform_disk" | "platform_processes";
        /** @description A setting of a condition. */
        AlertConditionSetting: {
            /** @description Value where it is left out; null: none. */
            default: unknown;
            /** @description What it means. */
            help_text: string;
            /** @description Whether it has to be given. */
            is_required: boolean;
            /** @description Name for people. */
            label: string;
            /** @description Greatest number; null: any. */
            maximum: number | null;
            /** @description Least number; null: any. */
            minimum: number | null;
            /** @description Name in `settings`. */
            name: string;
            /**
             * @description Type of its value.
             *
             *     * `text` - text
             *     * `number` - number
             *     * `boolean` - boolean
             *     * `texts` - texts
             *     * `object` - object
             */
            type: components["schemas"]["SettingType"];
        };
        /** @description A subject for which the condition holds now. */
        AlertFinding: {
            /** @description What is wrong. */
            message: string;
            /** @description The subject for people. */
            name: string;
            /**
             * Format: date-time
             * @description Since when; null: not known.
             */
            since: string | null;
            /** @description Id or name of the subject. */
            subject: string;
            /** @description Kind of the subject, such as `endpoint`. */
            subject_type: string;
            /**
             * Format: double
             * @description The figure that is compared; null: there is none.
             */
            value: number | null;
        };
        /** @description A page of Alert objects. */
        AlertPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Alert"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A condition that is evaluated every few seconds, and the channels of its messages. */
        AlertRule: {
            /** @description Where messages are sent, besides the subscriptions to `waypost.alert.*`. Set as a whole. */
            channels: components["schemas"]["AlertChannel"][];
            /**
             * @description What is watched. *List alert conditions* describes each.
             *
             *     * `source_silent` - Source silent
             *     * `rejections` - Requests rejected
             *     * `dead_receipts` - Messages given up
             *     * `source_failing` - Source not read
             *     * `source_lag` - Source behind
             *     * `source_warning` - Source endangers the other system
             *     * `source_expiring` - Secrets of sources end
             *     * `endpoint_failing` - Endpoint fails
             *     * `endpoint_disabled` - Endpoint disabled
             *     * `circuit_open` - Circuit breaker open
             *     * `dead_letters` - Dead letters
             *     * `oldest_due` - Deliveries late
             *     * `success_rate` - Success rate low
             *     * `latency` - Endpoint slow
             *     * `events_silent` - No events
             *     * `plan_limit` - Limit of a plan
             *     * `schedule_late` - Schedules late
             *     * `expiring` - Certificates and keys end
             *     * `platform_workers` - Deliveries wait for workers
             *     * `platform_broker` - Broker away
             *     * `platform_database` - Database slow
             *     * `platform_disk` - Disk nearly full
             *     * `platform_processes` - Process silent
             */
            condition: components["schemas"]["AlertConditionName"];
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Whether the rule is evaluated. */
            enabled: boolean;
            /**
             * Format: date-time
             * @description When it was last evaluated.
             */
            evaluated_at: string | null;
            /** @description Alerts of the rule that are firing now. */
            firing: number;
            /** @description Minutes for which the condition has to hold until an alert fires. 0: at once. */
            for_minutes: number;
            /** @description Id, beginning with `alr_`. */
            id: string;
            /** @description Whether it was there from the start; it can be switched off only. */
            is_built_in: boolean;
            /** @description Minutes for which the condition must not hold until an alert is resolved. Prevents a message for each change of something that goes up and down. 0: at once. */
            keep_minutes: number;
            /** @description Why it could not be evaluated; empty: it was. */
            last_error: string;
            /** @description Name shown in messages and lists. */
            name: string;
            /** @description Minutes after which a message is repeated while an alert fires and is not acknowledged; empty: never. */
            reminder_minutes: number | null;
            /** @description Settings of the condition, such as `{"above": 10}`; the others get their defaults. */
            settings: {
                [key: string]: unknown;
            };
            /**
             * @description How urgent the alerts are.
             *
             *     * `critical` - Critical
             *     * `warning` - Warning
             *     * `info` - Information
             */
            severity: components["schemas"]["AlertSeverity"];
            /** @description Id of the tenant it belongs to; null: the operator's rule, about all tenants. */
            tenant: string | null;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string | null;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
        };
        /** @description A page of AlertRule objects. */
        AlertRulePage: {
            /** @description Items of this page. */
            data: components["schemas"]["AlertRule"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description Present the findings of a rule now, and how often it would have fired within a day. */
        AlertRulePreview: {
            /** @description The first 20 of them. */
            findings: components["schemas"]["AlertFinding"][];
            /** @description These alerts; null as well. */
            past: components["schemas"]["PastAlert"][] | null;
            /**
             * Format: date-time
             * @description Begin of the last 24 full hours.
             */
            since: string;
            /** @description Subjects for which the condition holds now, however long. */
            total: number;
            /**
             * Format: date-time
             * @description Their end.
             */
            until: string;
            /** @description Alerts that the rule would have raised in these hours, by hourly figures; null: there are none for this condition. */
            would_have_fired: number | null;
        };
        /** @description A rule to try out, without creating it. */
        AlertRulePreviewCreateRequest: {
            /**
             * @description What is watched.
             *
             *     * `source_silent` - Source silent
             *     * `rejections` - Requests rejected
             *     * `dead_receipts` - Messages given up
             *     * `source_failing` - Source not read
             *     * `source_lag` - Source behind
             *     * `source_warning` - Source endangers the other system
             *     * `source_expiring` - Secrets of sources end
             *     * `endpoint_failing` - Endpoint fails
             *     * `endpoint_disabled` - Endpoint disabled
             *     * `circuit_open` - Circuit breaker open
             *     * `dead_letters` - Dead letters
             *     * `oldest_due` - Deliveries late
             *     * `success_rate` - Success rate low
             *     * `latency` - Endpoint slow
             *     * `events_silent` - No events
             *     * `plan_limit` - Limit of a plan
             *     * `schedule_late` - Schedules late
             *     * `expiring` - Certificates and keys end
             *     * `platform_workers` - Deliveries wait for workers
             *     * `platform_broker` - Broker away
             *     * `platform_database` - Database slow
             *     * `platform_disk` - Disk nearly full
             *     * `platform_processes` - Process silent
             */
            condition: components["schemas"]["AlertConditionName"];
            /**
             * @description Minutes for which the condition has to hold.
             * @default 0
             */
            for_minutes: number;
            /** @description Settings of the condition. */
            settings?: {
                [key: string]: unknown;
            };
        };
        /** @description A condition that is evaluated every few seconds, and the channels of its messages. */
        AlertRuleRequest: {
            /** @description Where messages are sent, besides the subscriptions to `waypost.alert.*`. Set as a whole. */
            channels?: components["schemas"]["AlertChannelRequest"][];
            /**
             * @description What is watched. *List alert conditions* describes each.
             *
             *     * `source_silent` - Source silent
             *     * `rejections` - Requests rejected
             *     * `dead_receipts` - Messages given up
             *     * `source_failing` - Source not read
             *     * `source_lag` - Source behind
             *     * `source_warning` - Source endangers the other system
             *     * `source_expiring` - Secrets of sources end
             *     * `endpoint_failing` - Endpoint fails
             *     * `endpoint_disabled` - Endpoint disabled
             *     * `circuit_open` - Circuit breaker open
             *     * `dead_letters` - Dead letters
             *     * `oldest_due` - Deliveries late
             *     * `success_rate` - Success rate low
             *     * `latency` - Endpoint slow
             *     * `events_silent` - No events
             *     * `plan_limit` - Limit of a plan
             *     * `schedule_late` - Schedules late
             *     * `expiring` - Certificates and keys end
             *     * `platform_workers` - Deliveries wait for workers
             *     * `platform_broker` - Broker away
             *     * `platform_database` - Database slow
             *     * `platform_disk` - Disk nearly full
             *     * `platform_processes` - Process silent
             */
            condition: components["schemas"]["AlertConditionName"];
            /**
             * @description Whether the rule is evaluated.
             * @default true
             */
            enabled: boolean;
            /**
             * @description Minutes for which the condition has to hold until an alert fires. 0: at once.
             * @default 0
             */
            for_minutes: number;
            /**
             * @description Minutes for which the condition must not hold until an alert is resolved. Prevents a message for each change of something that goes up and down. 0: at once.
             * @default 0
             */
            keep_minutes: number;
            /** @description Name shown in messages and lists. */
            name: string;
            /** @description Minutes after which a message is repeated while an alert fires and is not acknowledged; empty: never. */
            reminder_minutes?: number | null;
            /** @description Settings of the condition, such as `{"above": 10}`; the others get their defaults. */
            settings?: {
                [key: string]: unknown;
            };
            /**
             * @description How urgent the alerts are.
             *
             *     * `critical` - Critical
             *     * `warning` - Warning
             *     * `info` - Information
             * @default warning
             */
            severity: components["schemas"]["AlertSeverity"];
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /** @description A condition that is evaluated every few seconds, and the channels of its messages. */
        AlertRuleUpdateRequest: {
            /** @description Where messages are sent, besides the subscriptions to `waypost.alert.*`. Set as a whole. */
            channels?: components["schemas"]["AlertChannelRequest"][];
            /**
             * @description What is watched. *List alert conditions* describes each.
             *
             *     * `source_silent` - Source silent
             *     * `rejections` - Requests rejected
             *     * `dead_receipts` - Messages given up
             *     * `source_failing` - Source not read
             *     * `source_lag` - Source behind
             *     * `source_warning` - Source endangers the other system
             *     * `source_expiring` - Secrets of sources end
             *     * `endpoint_failing` - Endpoint fails
             *     * `endpoint_disabled` - Endpoint disabled
             *     * `circuit_open` - Circuit breaker open
             *     * `dead_letters` - Dead letters
             *     * `oldest_due` - Deliveries late
             *     * `success_rate` - Success rate low
             *     * `latency` - Endpoint slow
             *     * `events_silent` - No events
             *     * `plan_limit` - Limit of a plan
             *     * `schedule_late` - Schedules late
             *     * `expiring` - Certificates and keys end
             *     * `platform_workers` - Deliveries wait for workers
             *     * `platform_broker` - Broker away
             *     * `platform_database` - Database slow
             *     * `platform_disk` - Disk nearly full
             *     * `platform_processes` - Process silent
             */
            condition?: components["schemas"]["AlertConditionName"];
            /** @description Whether the rule is evaluated. */
            enabled?: boolean;
            /** @description Minutes for which the condition has to hold until an alert fires. 0: at once. */
            for_minutes?: number;
            /** @description Minutes for which the condition must not hold until an alert is resolved. Prevents a message for each change of something that goes up and down. 0: at once. */
            keep_minutes?: number;
            /** @description Name shown in messages and lists. */
            name?: string;
            /** @description Minutes after which a message is repeated while an alert fires and is not acknowledged; empty: never. */
            reminder_minutes?: number | null;
            /** @description Settings of the condition, such as `{"above": 10}`; the others get their defaults. */
            settings?: {
                [key: string]: unknown;
            };
            /**
             * @description How urgent the alerts are.
             *
             *     * `critical` - Critical
             *     * `warning` - Warning
             *     * `info` - Information
             */
            severity?: components["schemas"]["AlertSeverity"];
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /**
         * @description * `critical` - Critical
         *     * `warning` - Warning
         *     * `info` - Information
         * @enum {string}
         */
        AlertSeverity: "critical" | "warning" | "info";
        /** @description For how long no reminders are sent. */
        AlertSnoozeRequest: {
            /** @description Minutes from now, up to a week. */
            minutes: number;
        };
        /**
         * @description * `pending` - Pending
         *     * `firing` - Firing
         *     * `resolved` - Resolved
         * @enum {string}
         */
        AlertState: "pending" | "firing" | "resolved";
        /** @description The result of a test message. */
        AlertTest: {
            /** @description Messages that are being sent: an event, if a subscription names `waypost.alert.*`, and one for each address and URL. 0: the messages of this rule reach no one. */
            sent: number;
        };
        /** @description An API key, without its value. */
        ApiKey: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description The only endpoint that the key may read or change, with its subscriptions, secrets, deliveries and statistics: id or `uid`; returned as the id. Null: everything of the tenant. Such a key cannot publish. */
            endpoint: string | null;
            /**
             * Format: date-time
             * @description When the key stops working; null: never.
             */
            expires_at: string | null;
            /** @description Id, beginning with `key_`. */
            id: string;
            /**
             * Format: date-time
             * @description When the key was last used, to the minute.
             */
            last_used_at: string | null;
            /** @description What the key is for. */
            name: string;
            /** @description First characters of the key, to tell keys apart. */
            prefix: string;
            /**
             * Format: date-time
             * @description When the key was revoked.
             */
            revoked_at: string | null;
            /** @description What the key allows, one or more scopes. */
            scopes: components["schemas"]["ApiKeyScope"][];
            /** @description Id of the tenant it belongs to; null: a platform key, for all tenants. */
            tenant: string | null;
        };
        /** @description A new API key: of a tenant, of one of its endpoints, or of the platform. */
        ApiKeyCreateRequest: {
            /** @description The only endpoint that the key may read or change, with its subscriptions, secrets, deliveries and statistics: id or `uid`; returned as the id. Null: everything of the tenant. Such a key cannot publish. */
            endpoint?: string | null;
            /**
             * Format: date-time
             * @description When the key stops working; null: never.
             */
            expires_at?: string | null;
            /** @description Seconds until the key stops working, in place of `expires_at`. At most 366 days. */
            expires_in?: number;
            /** @description What the key is for. */
            name?: string;
            /**
             * @description Whether to create a platform key, which acts for every tenant. Needs a platform key itself, and names no tenant. Default: false.
             * @default false
             */
            platform: boolean;
            /** @description What the key allows, one or more scopes. */
            scopes: components["schemas"]["ApiKeyScope"][];
        };
        /** @description A page of ApiKey objects. */
        ApiKeyPage: {
            /** @description Items of this page. */
            data: components["schemas"]["ApiKey"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The rotation of an API key. */
        ApiKeyRotationRequest: {
            /**
             * Format: date-time
             * @description When the new key stops working; null: never. Default: null.
             */
            expires_at?: string | null;
            /**
             * @description Seconds for which the old key still works. Default: 86,400 (one day); at most 7 days.
             * @default 86400
             */
            overlap_seconds: number;
        };
        /**
         * @description * `publish` - Publish events
         *     * `manage` - Manage
         *     * `read` - Read
         *     * `consume` - Pull and acknowledge messages
         * @enum {string}
         */
        ApiKeyScope: "publish" | "manage" | "read" | "consume";
        /** @description A new API key with its value, which is not shown again. */
        ApiKeyWithSecret: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description The only endpoint that the key may read or change, with its subscriptions, secrets, deliveries and statistics: id or `uid`; returned as the id. Null: everything of the tenant. Such a key cannot publish. */
            endpoint: string | null;
            /**
             * Format: date-time
             * @description When the key stops working; null: never.
             */
            expires_at: string | null;
            /** @description Id, beginning with `key_`. */
            id: string;
            /** @description Value of the key, `wp_...`. Store it now: it is not shown again. */
            key: string;
            /**
             * Format: date-time
             * @description When the key was last used, to the minute.
             */
            last_used_at: string | null;
            /** @description What the key is for. */
            name: string;
            /** @description First characters of the key, to tell keys apart. */
            prefix: string;
            /**
             * Format: date-time
             * @description When the key was revoked.
             */
            revoked_at: string | null;
            /** @description What the key allows, one or more scopes. */
            scopes: components["schemas"]["ApiKeyScope"][];
            /** @description Id of the tenant it belongs to; null: a platform key, for all tenants. */
            tenant: string | null;
        };
        /** @description A mask, with the number of values that it found. */
        AppliedMask: {
            /**
             * @description What is done with them.
             *
             *     * `remove` - remove
             *     * `mask` - mask
             *     * `hash` - hash
             *     * `encrypt` - encrypt
             */
            action: components["schemas"]["MaskingAction"];
            /**
             * @description Whose mask it is.
             *
             *     * `event_type` - event_type
             *     * `endpoint` - endpoint
             */
            by: components["schemas"]["MaskOwner"];
            /** @description Path of the values. */
            path: string;
            /** @description How many values of the event it applies to. */
            values: number;
        };
        /** @description One attempt to deliver: a request to the endpoint, and its result. */
        Attempt: {
            /** @description Milliseconds from its start to its end. */
            duration_ms: number;
            /** @description Class of the failure, such as timeout; empty: delivered. */
            error: string;
            /** @description What went wrong, and what to do about it; empty if `error` is empty or `status`. */
            explanation: string;
            /** @description Id, beginning with `att_`. */
            id: string;
            /** @description Number of the attempt, from 1. */
            number: number;
            /** @description Why the request was sent again, one reason for each time: `connection_closed` (the endpoint closed a kept connection without a response), `stream_refused` (HTTP/2: declared unprocessed, or closed as before), `http_1_1_required`, or `unauthorized` (401 to an access token; sent with another one). */
            repeats: components["schemas"]["RequestRepeat"][];
            /** @description How often its request was sent: 1, or up to 3 if the endpoint did not process it. */
            requests: number;
            /** @description Beginning of the response body as text, up to 4,096 characters; empty without a response. */
            response: string;
            /** @description Response headers, as pairs of name and value, up to 2,048 bytes; values that may hold credentials, such as that of `set-cookie`, are `***`. */
            response_headers: string[][];
            /** @description Whether the response body was longer. */
            response_truncated: boolean;
            /**
             * Format: date-time
             * @description When the attempt started.
             */
            started_at: string;
            /** @description HTTP status; empty: no response. */
            status: number | null;
        };
        /** @description One attempt to deliver, with the request that was sent. */
        AttemptDetail: {
            /** @description A curl command that sends the same bytes; credentials are `***`, and a signature for AWS is made by curl. Null without `request`, or if `request.changed` is not empty. */
            curl: string | null;
            /** @description Milliseconds from its start to its end. */
            duration_ms: number;
            /** @description Class of the failure, such as timeout; empty: delivered. */
            error: string;
            /** @description What went wrong, and what to do about it; empty if `error` is empty or `status`. */
            explanation: string;
            /** @description Id, beginning with `att_`. */
            id: string;
            /** @description Number of the attempt, from 1. */
            number: number;
            /** @description Why the request was sent again, one reason for each time: `connection_closed` (the endpoint closed a kept connection without a response), `stream_refused` (HTTP/2: declared unprocessed, or closed as before), `http_1_1_required`, or `unauthorized` (401 to an access token; sent with another one). */
            repeats: components["schemas"]["RequestRepeat"][];
            /** @description The request; null: nothing was sent (see `error`), or the event's payload was erased. */
            request: components["schemas"]["SentRequest"] | null;
            /** @description How often its request was sent: 1, or up to 3 if the endpoint did not process it. */
            requests: number;
            /** @description Beginning of the response body as text, up to 4,096 characters; empty without a response. */
            response: string;
            /** @description Response headers, as pairs of name and value, up to 2,048 bytes; values that may hold credentials, such as that of `set-cookie`, are `***`. */
            response_headers: string[][];
            /** @description Whether the response body was longer. */
            response_truncated: boolean;
            /**
             * Format: date-time
             * @description When the attempt started.
             */
            started_at: string;
            /** @description HTTP status; empty: no response. */
            status: number | null;
        };
        /** @description A page of Attempt objects. */
        AttemptPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Attempt"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description Statistics of the attempts of one period. Test deliveries are not counted. */
        AttemptStats: {
            /** @description Attempts that ended in the period. */
            attempts: number;
            /**
             * Format: date-time
             * @description Start of the period.
             */
            begins_at: string;
            /** @description Attempts that delivered. */
            delivered: number;
            /** @description Attempts that failed. */
            failed: number;
            /** @description Class of the latest failure, such as `timeout`; empty without a failure. */
            last_error: string;
            /**
             * Format: date-time
             * @description Time of the latest failure; null: none.
             */
            last_failed_at: string | null;
            /** @description HTTP status of the latest failure; null: none, or no response. */
            last_status: number | null;
            /** @description Duration of attempts in milliseconds. */
            latency_ms: components["schemas"]["LatencyPercentiles"];
            /** @description Failed attempts that the endpoint rejected: it works, and responded 3xx or 4xx, but not 408 or 429. */
            rejected: number;
            /**
             * Format: double
             * @description Share of the attempts that delivered, from 0 to 1; null without attempts.
             */
            success_rate: number | null;
            /** @description Deliveries that were not sent, as a newer one of their key took their place (`latest_only`). */
            superseded: number;
        };
        /**
         * @description * `created` - Created
         *     * `changed` - Changed
         *     * `deleted` - Deleted
         *     * `performed` - Performed
         *     * `viewed` - Payload viewed
         *     * `signed_in` - Signed in
         *     * `sign_in_failed` - Sign-in failed
         *     * `locked_out` - Locked out
         * @enum {string}
         */
        AuditAction: "created" | "changed" | "deleted" | "performed" | "viewed" | "signed_in" | "sign_in_failed" | "locked_out";
        /** @description The one who did it. */
        AuditActor: {
            /** @description Network address that the request came from; empty: none is shown. */
            address: string;
            /** @description Id of the API key or the user; empty: none is shown. */
            id: string;
            /** @description Name of the API key or the user; a tenant sees `operator` for those of the platform. */
            name: string;
            /**
             * @description Kind of the one who did it.
             *
             *     * `key` - API key
             *     * `portal` - User of the portal
             *     * `user` - User of the admin
             *     * `command` - User of the machine
             *     * `system` - The system
             *     * `anonymous` - Not signed in
             */
            type: components["schemas"]["AuditActorType"];
        };
        /**
         * @description * `key` - API key
         *     * `portal` - User of the portal
         *     * `user` - User of the admin
         *     * `command` - User of the machine
         *     * `system` - The system
         *     * `anonymous` - Not signed in
         * @enum {string}
         */
        AuditActorType: "key" | "portal" | "user" | "command" | "system" | "anonymous";
        /** @description One change of one object, or one operation. */
        AuditEntry: {
            /**
             * @description What was done to the object.
             *
             *     * `created` - Created
             *     * `changed` - Changed
             *     * `deleted` - Deleted
             *     * `performed` - Performed
             *     * `viewed` - Payload viewed
             *     * `signed_in` - Signed in
             *     * `sign_in_failed` - Sign-in failed
             *     * `locked_out` - Locked out
             */
            action: components["schemas"]["AuditAction"];
            /** @description The one who did it. */
            actor: components["schemas"]["AuditActor"];
            /** @description Values since then; secrets are shown as ***. */
            after: unknown;
            /** @description Values that were changed or deleted; secrets are shown as ***. */
            before: unknown;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Id, beginning with `aud_`. */
            id: string;
            /** @description Id of the object; empty: the operation is about none. */
            object_id: string;
            /** @description Name of the object at that time; empty: it has none. */
            object_name: string;
            /** @description Type of the object, such as endpoint; empty: none. */
            object_type: string;
            /** @description Name of the route, the command or the periodic task. */
            operation: string;
            /**
             * @description Where it came from.
             *
             *     * `api` - REST API
             *     * `portal` - Portal
             *     * `admin` - Admin
             *     * `command` - Command line
             *     * `job` - Periodic task
             *     * `system` - The system
             */
            origin: components["schemas"]["AuditOrigin"];
            /** @description Part of the object that was changed; empty: the object itself. */
            part: string;
            /** @description Id of the request, as in its response; empty: none. */
            request_id: string;
            /** @description Tenant of the object; null: of none. */
            tenant: string | null;
        };
        /** @description A page of AuditEntry objects. */
        AuditEntryPage: {
            /** @description Items of this page. */
            data: components["schemas"]["AuditEntry"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /**
         * @description * `api` - REST API
         *     * `portal` - Portal
         *     * `admin` - Admin
         *     * `command` - Command line
         *     * `job` - Periodic task
         *     * `system` - The system
         * @enum {string}
         */
        AuditOrigin: "api" | "portal" | "admin" | "command" | "job" | "system";
        /** @description The backlog, and how fast it comes and goes. */
        Backlog: {
            /** @description Deliveries that are due and not claimed by a drain, counted up to 50,000, those of failing endpoints included. */
            due: number;
            /** @description Whether there are more than `due`. */
            due_is_lower_bound: boolean;
            /** @description Attempts in flight. */
            in_flight: number;
            /**
             * Format: double
             * @description Events accepted per second, over the last 10 s.
             */
            published_per_second: number;
            /** @description Received messages whose handlers should run now, counted up to 1,000 of each source. */
            receipts_due: number;
            /**
             * Format: double
             * @description Seconds that the oldest of these has been due; 0: none is.
             */
            receipts_seconds_behind: number;
            /**
             * Format: double
             * @description Seconds that the oldest delivery has waited for a drain; 0: none has waited for 5 s. What an endpoint's own limits hold back is not counted.
             */
            seconds_behind: number;
            /**
             * Format: double
             * @description Attempts that ended and were recorded per second.
             */
            settled_per_second: number;
            /** @description Most requests that waited at once for the next shared commit, in one web process, lately. */
            waiting_for_commit: number;
        };
        /** @description How far an endpoint is behind, and why. */
        Behind: {
            /**
             * @description Why it is behind.
             *
             *     * `pause_requested` - The endpoint has asked with Retry-After to be sent nothing for a while
             *     * `circuit_open` - The endpoint keeps failing: sending is paused by the circuit breaker
             *     * `probing` - The endpoint has failed: one attempt at a time decides whether sending resumes
             *     * `blocked` - The endpoint is ordered: a failed delivery waits for its retry and blocks those behind it
             *     * `rate_limit` - More is due than the endpoint's rate limit allows
             *     * `window_full` - As many attempts are in flight as the endpoint can take at once
             *     * `not_pulled` - No consumer has fetched its messages
             *     * `no_drain` - No drain has started with it: all are busy with other endpoints, or none is running
             *     * `drain_busy` - Its drain is busy: nothing of the endpoint limits it
             */
            because: components["schemas"]["EndpointBehindBecause"];
            /**
             * Format: date-time
             * @description Since when the oldest of its deliveries has been due.
             */
            due_since: string;
            /** @description The same in words. */
            explanation: string;
            /**
             * Format: double
             * @description The same in seconds.
             */
            seconds: number;
        };
        /**
         * @description A failed delivery that waits for its next attempt and blocks those with the same order key.
         *
         *     To unblock them, send it now, cancel it or set it aside.
         */
        BlockingDelivery: {
            /** @description Attempts made so far. */
            attempts: number;
            /** @description Id of the delivery. */
            delivery: string;
            /** @description Order key: the value by which the deliveries are ordered. */
            key: string;
            /** @description Class of the last failure, such as `timeout`. */
            last_error: string;
            /** @description HTTP status of the last attempt; null: no response. */
            last_status: number | null;
            /**
             * Format: date-time
             * @description When the next attempt is due.
             */
            next_attempt_at: string;
        };
        /** @description An event that is published for many tenants, with its progress: `published` and `failed` of `total` tenants. */
        Broadcast: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description The CloudEvent's own id, the same for every tenant. */
            event_id: string;
            /** @description Tenants whose event was not accepted. */
            failed: number;
            /**
             * Format: date-time
             * @description When it finished or was cancelled.
             */
            finished_at: string | null;
            /** @description Id, beginning with `brd_`. */
            id: string;
            /** @description Labels of the tenants that get the event; `{}`: all tenants. */
            labels: {
                [key: string]: string;
            };
            /** @description Why the latest of these was not accepted. */
            last_error: string;
            /** @description Tenants for which the event was published so far. */
            published: number;
            /** @description Tenants per second, at most. */
            rate: number;
            /** @description The API key or the admin user. */
            requested_by: string;
            /** @description Source of the event. */
            source: string;
            /**
             * @description Whether it runs, or how it ended.
             *
             *     * `running` - Running
             *     * `finished` - Finished
             *     * `cancelled` - Cancelled
             */
            state: components["schemas"]["ReplayState"];
            /** @description Tenants that matched when it was created. */
            total: number;
            /** @description Type of the event. */
            type: string;
        };
        /** @description An event, and the tenants that get it. */
        BroadcastCreateRequest: {
            /** @description Must be true to select every tenant. Excludes `labels`. */
            all?: boolean;
            /** @description The event in the plain form: `type` and `data`, optionally `id`, `source`, `time`, `subject`. With an `id`, the same broadcast again publishes nothing twice. Example: `{"type": "maintenance.planned", "data": {"at": "2030-01-31T22:00:00Z"}}`. */
            event: {
                [key: string]: unknown;
            };
            /** @description Labels that the tenants have, all of them: `{"plan": "gold"}`. Excludes `all`. */
            labels?: {
                [key: string]: string;
            };
            /**
             * @description Tenants per second, at most.
             * @default 100
             */
            rate: number;
        };
        /** @description A page of Broadcast objects. */
        BroadcastPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Broadcast"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The tenants that get an event: those with `labels`, or `all`. */
        BroadcastSelectionRequest: {
            /** @description Must be true to select every tenant. Excludes `labels`. */
            all?: boolean;
            /** @description Labels that the tenants have, all of them: `{"plan": "gold"}`. Excludes `all`. */
            labels?: {
                [key: string]: string;
            };
        };
        /** @description The number of rows that one request has changed. */
        BulkResult: {
            /** @description Whether more rows match; repeat the request to change them. */
            has_more: boolean;
            /** @description Rows changed by this request. */
            total: number;
        };
        /** @description An event type that an import changes. */
        ChangedEventType: {
            /** @description Names of the fields that change. */
            changes: string[];
            /** @description Name of the event type. */
            name: string;
        };
        /** @description The circuit breaker of an endpoint, which pauses sending after failures in a row. */
        CircuitBreaker: {
            /**
             * Format: date-time
             * @description When the first of these attempts failed; null: no failure.
             */
            failing_since: string | null;
            /** @description Failed attempts in a row. */
            failures: number;
            /** @description Times the circuit breaker opened since the last success. */
            open_count: number;
            /**
             * Format: date-time
             * @description Sending is paused until then; null: it is not paused.
             */
            open_until: string | null;
            /**
             * @description Whether attempts are made.
             *
             *     * `closed` - Attempts are made as usual
             *     * `open` - Sending is paused until `open_until`
             *     * `half_open` - One attempt at a time decides whether sending resumes
             */
            state: components["schemas"]["CircuitBreakerState"];
        };
        /**
         * @description * `closed` - Attempts are made as usual
         *     * `open` - Sending is paused until `open_until`
         *     * `half_open` - One attempt at a time decides whether sending resumes
         * @enum {string}
         */
        CircuitBreakerState: "closed" | "open" | "half_open";
        /** @description An event in the JSON format of CloudEvents 1.0, as it is signed and sent. It may have extension attributes. */
        CloudEvent: {
            /** @description The data, any JSON value; absent if there is none or it is deleted. */
            data?: unknown;
            /** @description Binary data in base64, in place of `data`. */
            data_base64?: string;
            /** @description Media type of the data. Default: `application/json`. */
            datacontenttype?: string;
            /** @description URI of a schema of the data. */
            dataschema?: string;
            /** @description The event's own id, unique within its source. */
            id: string;
            /** @description What published the event, as a URI reference such as `/orders`. */
            source: string;
            /**
             * @description Version of the CloudEvents specification.
             *
             *     * `1.0` - CloudEvents 1.0
             */
            specversion: components["schemas"]["CloudEventsVersion"];
            /** @description What the event is about, such as an order's id. */
            subject?: string;
            /**
             * Format: date-time
             * @description When it happened.
             */
            time?: string;
            /** @description Type of the event, such as `order.paid`. Subscriptions select events by it. */
            type: string;
        };
        /**
         * @description * `1.0` - CloudEvents 1.0
         * @enum {string}
         */
        CloudEventsVersion: "1.0";
        /** @description A connector: ready settings that turn an event into what a known API accepts. */
        Connector: {
            /**
             * @description Kind of the other system.
             *
             *     * `chat` - Chat
             *     * `on_call` - On call
             *     * `monitoring` - Monitoring and logs
             *     * `tickets` - Tickets and code
             *     * `automation` - Automation
             *     * `customers` - Customers
             */
            category: components["schemas"]["ConnectorCategory"];
            /** @description What an event becomes there. */
            description: string;
            /** @description URL of the other system's documentation of the API. */
            documentation: string;
            /** @description `settings` and `credentials` to begin with; they belong to no account. */
            example: unknown;
            /** @description Pattern of 2xx responses that say that the delivery failed; null: every 2xx is a success. */
            failure_pattern: unknown;
            /** @description Name of the other system. */
            label: string;
            /** @description Small picture, as SVG. The initials of the other system, not its logo. */
            logo: string;
            /** @description The ways in which an event can be written. */
            messages: components["schemas"]["ConnectorMessage"][];
            /** @description Name, for the path. */
            name: string;
            /** @description Limits of the API; empty: none to know of. */
            notes: string;
            /** @description An event, for previews. */
            sample: unknown;
            /** @description Its settings and credentials, as fields of a form. */
            settings: components["schemas"]["ConnectorSetting"][];
        };
        /**
         * @description * `chat` - Chat
         *     * `on_call` - On call
         *     * `monitoring` - Monitoring and logs
         *     * `tickets` - Tickets and code
         *     * `automation` - Automation
         *     * `customers` - Customers
         * @enum {string}
         */
        ConnectorCategory: "chat" | "on_call" | "monitoring" | "tickets" | "automation" | "customers";
        /** @description An endpoint to create from a connector. Its other fields can be changed afterwards. */
        ConnectorEndpointRequest: {
            /** @description Credentials of the connector: stored encrypted, and never shown. */
            credentials?: {
                [key: string]: unknown;
            };
            /**
             * @description Free text for people.
             * @default
             */
            description: string;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description Settings of the connector, as it lists them. */
            settings?: {
                [key: string]: unknown;
            };
            /** @description The events to send: `[{"event_types": ["order.*"]}]`. At most 100. Default: none; without a subscription nothing is sent. */
            subscriptions?: components["schemas"]["ConnectorSubscriptionRequest"][];
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /** @description All connectors. */
        ConnectorList: {
            /** @description Connectors, by category and name. */
            data: components["schemas"]["ConnectorSummary"][];
        };
        /** @description A message of a connector: one way in which an event is written. */
        ConnectorMessage: {
            /** @description Content type of the body. */
            content_type: string;
            /** @description What it does in the other system. */
            description: string;
            /** @description Body that the connector's `sample` becomes, with the settings of `example`. */
            expected_body: unknown;
            /** @description Name for people. */
            label: string;
            /** @description Name, for `message` of a subscription. */
            name: string;
        };
        /** @description A connector's settings, and the event to show the request of. */
        ConnectorPreviewRequest: {
            /** @description An event as it would be published, or the id of a published one. Default: the connector's sample. */
            event?: {
                [key: string]: unknown;
            } | string;
            /**
             * @description Message to show. Default: the first.
             * @default
             */
            message: string;
            /** @description Settings of the connector, as it lists them. */
            settings?: {
                [key: string]: unknown;
            };
            /** @description Transformer that makes the body in place of the message, in JSONata or as a template: `{"jsonata": "{'text': data.title}"}`. Its content type is that of the message unless it has another; null: the body of the message. */
            transformer?: components["schemas"]["EventTransformer"] | null;
        };
        /** @description The request that would be sent. Credentials are `***`, and the signature is missing. */
        ConnectorRequest: {
            /** @description Request body as text; null if it is not UTF-8. */
            body: string | null;
            /** @description Request body in base64 if it is not UTF-8; otherwise null. */
            body_base64: string | null;
            /** @description Request headers, by name. */
            headers: {
                [key: string]: string;
            };
            /** @description HTTP method. */
            method: string;
            /** @description Why this event cannot be written as the message; empty if it can. */
            transformation_error: string;
            /** @description URL that is called. */
            url: string;
        };
        /** @description A setting of a connector: a member of `settings` or of `credentials`. */
        ConnectorSetting: {
            /** @description Allowed values; empty: any. */
            choices: string[];
            /** @description Whether it is a member of `credentials`: encrypted, and never shown. */
            credential: boolean;
            /** @description Value if it is left out; null: none. */
            default: unknown;
            /** @description An example; empty: none. */
            example: string;
            /** @description What it is for. */
            help: string;
            /** @description Label of the field in a form. */
            label: string;
            /** @description Greatest value of a number; null: any. */
            maximum: number | null;
            /** @description Least value of a number; null: any. */
            minimum: number | null;
            /** @description Name of the member. */
            name: string;
            /** @description Whether it has to be given. */
            required: boolean;
            /** @description Whether `<$.path>` in it places a value of the event. */
            takes_paths: boolean;
            /**
             * @description JSON type: `text` and `texts` are a string and an array of strings, `number` an integer.
             *
             *     * `text` - text
             *     * `number` - number
             *     * `boolean` - boolean
             *     * `texts` - texts
             *     * `object` - object
             */
            type: components["schemas"]["SettingType"];
        };
        /** @description A subscription of an endpoint from a connector: which events become which message. */
        ConnectorSubscriptionRequest: {
            /**
             * @description Whether events published from now on are sent. Default: true.
             * @default true
             */
            active: boolean;
            /** @description Free text for people. */
            description?: string;
            /** @description Exact types, `order.*` for all types below order, or `*` for all. At most 100. With a `pattern`, `["*"]` if left out. */
            event_types: string[];
            /** @description Message of the connector that the events become: `trigger`. Default: its first one. */
            message?: string;
            /** @description Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. Null: every event of these types. At most 16 KiB. */
            pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Transformer that makes the body in place of the message, in JSONata or as a template: `{"jsonata": "{'text': data.title}"}`. Its content type is that of the message unless it has another; null: the body of the message. */
            transformer?: components["schemas"]["EventTransformer"] | null;
        };
        /** @description A connector, in short. */
        ConnectorSummary: {
            /**
             * @description Kind of the other system.
             *
             *     * `chat` - Chat
             *     * `on_call` - On call
             *     * `monitoring` - Monitoring and logs
             *     * `tickets` - Tickets and code
             *     * `automation` - Automation
             *     * `customers` - Customers
             */
            category: components["schemas"]["ConnectorCategory"];
            /** @description What an event becomes there. */
            description: string;
            /** @description URL of the other system's documentation of the API. */
            documentation: string;
            /** @description Name of the other system. */
            label: string;
            /** @description Small picture, as SVG. The initials of the other system, not its logo. */
            logo: string;
            /** @description Name, for the path. */
            name: string;
        };
        /** @description A delivery that failed permanently, with the cause. Create a replay to send it again. */
        DeadLetter: {
            /**
             * Format: date-time
             * @description When it was acknowledged: it is not counted as open any more; empty: not yet.
             */
            acknowledged_at: string | null;
            /** @description The API key or the admin user that did. */
            acknowledged_by: string;
            /** @description Attempts made, including those before earlier replays. */
            attempts_made: number;
            /**
             * @description Why the delivery failed permanently.
             *
             *     * `exhausted` - Retries exhausted
             *     * `responded_410` - The endpoint responded 410 Gone
             *     * `expired` - Expired: the endpoint was paused or disabled for seven days
             *     * `crashed_worker` - Crashed its worker repeatedly
             *     * `transformation_failed` - Transformation failed
             *     * `endpoint_deleted` - The endpoint was deleted
             *     * `set_aside` - Set aside on request
             */
            cause: components["schemas"]["DeadLetterCause"];
            /**
             * Format: date-time
             * @description When it was replayed or discarded; empty: not yet.
             */
            closed_at: string | null;
            /** @description The API key or the admin user that replayed or discarded it. */
            closed_by: string;
            /** @description Id of the delivery that failed. */
            delivery: string;
            /** @description Id of the endpoint. */
            endpoint: string;
            /** @description Id of the event. */
            event: string;
            /**
             * Format: date-time
             * @description When the delivery failed permanently.
             */
            failed_at: string;
            /** @description Id, beginning with `dl_`. */
            id: string;
            /** @description Class of the latest failure, such as timeout; empty: none. */
            last_error: string;
            /** @description HTTP status of the latest attempt; empty: no response. */
            last_status: number | null;
            /** @description Why it was acknowledged or discarded, if that was said. */
            note: string;
            /** @description Details of the cause, if there are any. */
            reason: string;
            /** @description Id of the replay that sent it again; null: none. */
            replay: string | null;
            /**
             * @description What was done about it. Open and acknowledged ones can be replayed.
             *
             *     * `open` - Open
             *     * `acknowledged` - Acknowledged
             *     * `replayed` - Replayed
             *     * `discarded` - Discarded
             */
            state: components["schemas"]["DeadLetterState"];
            /** @description Type of the event, such as `order.paid`. */
            type: string;
        };
        /**
         * @description * `exhausted` - Retries exhausted
         *     * `responded_410` - The endpoint responded 410 Gone
         *     * `expired` - Expired: the endpoint was paused or disabled for seven days
         *     * `crashed_worker` - Crashed its worker repeatedly
         *     * `transformation_failed` - Transformation failed
         *     * `endpoint_deleted` - The endpoint was deleted
         *     * `set_aside` - Set aside on request
         * @enum {string}
         */
        DeadLetterCause: "exhausted" | "responded_410" | "expired" | "crashed_worker" | "transformation_failed" | "endpoint_deleted" | "set_aside";
        /** @description A request to discard or acknowledge many dead letters, with its progress: `changed` of `total`. */
        DeadLetterJob: {
            /** @description Dead letters discarded or acknowledged so far. */
            changed: number;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Conditions, as of a replay of dead letters. */
            filter: unknown;
            /**
             * Format: date-time
             * @description When it finished or was cancelled.
             */
            finished_at: string | null;
            /** @description Id, beginning with `dlj_`. */
            id: string;
            /** @description Why, as it is stored with each dead letter. */
            note: string;
            /**
             * @description What is done with them.
             *
             *     * `discard` - Discard
             *     * `acknowledge` - Acknowledge
             */
            operation: components["schemas"]["DeadLetterOperation"];
            /** @description The API key or the admin user. */
            requested_by: string;
            /**
             * @description Whether it runs, or how it ended.
             *
             *     * `running` - Running
             *     * `finished` - Finished
             *     * `cancelled` - Cancelled
             */
            state: components["schemas"]["ReplayState"];
            /** @description Dead letters that matched when it was created. */
            total: number;
        };
        /** @description The dead letters to change, and why. */
        DeadLetterJobCreateRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Conditions that all have to be met, as those of a replay of dead letters: `ids`, `endpoint`, `labels`, `type`, `cause`, `state`, `since`, `until`, `attempted_since`, `attempted_until`. Example: `{"endpoint": "main", "cause": "expired"}`. */
            filter?: {
                [key: string]: unknown;
            };
            /**
             * @description Why, for those who read it later: `"Test data of the migration"`. Left out: an earlier note stays.
             * @default
             */
            note: string;
            /**
             * @description What is done with them.
             *
             *     * `discard` - Discard
             *     * `acknowledge` - Acknowledge
             */
            operation: components["schemas"]["DeadLetterOperation"];
        };
        /** @description A page of DeadLetterJob objects. */
        DeadLetterJobPage: {
            /** @description Items of this page. */
            data: components["schemas"]["DeadLetterJob"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description Why dead letters are acknowledged or discarded. */
        DeadLetterNoteRequest: {
            /**
             * @description Why, for those who read it later: `"Test data of the migration"`. Left out: an earlier note stays.
             * @default
             */
            note: string;
        };
        /**
         * @description * `discard` - Discard
         *     * `acknowledge` - Acknowledge
         * @enum {string}
         */
        DeadLetterOperation: "discard" | "acknowledge";
        /** @description A page of DeadLetter objects. */
        DeadLetterPage: {
            /** @description Items of this page. */
            data: components["schemas"]["DeadLetter"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The dead letters to change, by a filter. Without conditions `"all": true` selects all that are not closed. */
        DeadLetterSelectionRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Conditions that all have to be met, as those of a replay of dead letters: `ids`, `endpoint`, `labels`, `type`, `cause`, `state`, `since`, `until`, `attempted_since`, `attempted_until`. Example: `{"endpoint": "main", "cause": "expired"}`. */
            filter?: {
                [key: string]: unknown;
            };
            /**
             * @description What is done with them.
             *
             *     * `discard` - Discard
             *     * `acknowledge` - Acknowledge
             */
            operation: components["schemas"]["DeadLetterOperation"];
        };
        /**
         * @description * `open` - Open
         *     * `acknowledged` - Acknowledged
         *     * `replayed` - Replayed
         *     * `discarded` - Discarded
         * @enum {string}
         */
        DeadLetterState: "open" | "acknowledged" | "replayed" | "discarded";
        /** @description The delivery of one event to one endpoint, and its state. */
        Delivery: {
            /** @description Attempts made so far, including those before replays. */
            attempts_made: number;
            /**
             * Format: date-time
             * @description When it was cancelled.
             */
            cancelled_at: string | null;
            /** @description The API key or the admin user that cancelled it. */
            cancelled_by: string | null;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Id of the endpoint. */
            endpoint: string;
            /** @description Id of the event. */
            event: string;
            /** @description Id, beginning with `dlv_`. */
            id: string;
            /** @description Class of the latest failure, such as timeout; empty: none. */
            last_error: string;
            /** @description HTTP status of the latest attempt; empty: no response. */
            last_status: number | null;
            /**
             * Format: date-time
             * @description When the next attempt is due; empty when finished.
             */
            next_attempt_at: string | null;
            /** @description Id of the latest replay that sent it; null: none. */
            replay: string | null;
            /**
             * @description Pending and sending are unfinished.
             *
             *     * `pending` - Pending
             *     * `sending` - Sending
             *     * `delivered` - Delivered
             *     * `dead` - Dead
             *     * `cancelled` - Cancelled
             *     * `superseded` - Superseded by a newer delivery of its key
             */
            state: components["schemas"]["DeliveryState"];
            /**
             * Format: date-time
             * @description When a newer delivery of its key took its place.
             */
            superseded_at: string | null;
            /** @description Id of the newer delivery of its key that is sent in its place (`latest_only`); null: none. */
            superseded_by: string | null;
            /** @description How many older deliveries of its key were not sent because of it, those that they superseded among them; the header `webhook-superseded` says it to the endpoint. */
            supersedes: number;
            /** @description Type of the event, such as `order.paid`. */
            type: string;
        };
        /** @description The deliveries to cancel, by a filter. Without conditions `"all": true` selects every unfinished delivery. */
        DeliveryCancelRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Conditions that all have to be met. `ids`: list of up to 10,000 ids of deliveries; `endpoint`: id or `uid`; `labels`: those that the endpoints have; `type`: event type; `since` (included) and `until` (excluded): when the delivery was created, with an offset. Example: `{"endpoint": "main", "type": "order.paid"}`. */
            filter?: {
                [key: string]: unknown;
            };
        };
        /** @description The delivery of one event to one endpoint, with its attempts. */
        DeliveryDetail: {
            /** @description The latest attempts, up to 100, newest first. */
            attempts: components["schemas"]["Attempt"][];
            /** @description Attempts made so far, including those before replays. */
            attempts_made: number;
            /**
             * Format: date-time
             * @description When it was cancelled.
             */
            cancelled_at: string | null;
            /** @description The API key or the admin user that cancelled it. */
            cancelled_by: string | null;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Id of the endpoint. */
            endpoint: string;
            /** @description Id of the event. */
            event: string;
            /** @description Id, beginning with `dlv_`. */
            id: string;
            /** @description Class of the latest failure, such as timeout; empty: none. */
            last_error: string;
            /** @description HTTP status of the latest attempt; empty: no response. */
            last_status: number | null;
            /**
             * Format: date-time
             * @description When the next attempt is due; empty when finished.
             */
            next_attempt_at: string | null;
            /** @description Id of the latest replay that sent it; null: none. */
            replay: string | null;
            /**
             * @description Pending and sending are unfinished.
             *
             *     * `pending` - Pending
             *     * `sending` - Sending
             *     * `delivered` - Delivered
             *     * `dead` - Dead
             *     * `cancelled` - Cancelled
             *     * `superseded` - Superseded by a newer delivery of its key
             */
            state: components["schemas"]["DeliveryState"];
            /**
             * Format: date-time
             * @description When a newer delivery of its key took its place.
             */
            superseded_at: string | null;
            /** @description Id of the newer delivery of its key that is sent in its place (`latest_only`); null: none. */
            superseded_by: string | null;
            /** @description How many older deliveries of its key were not sent because of it, those that they superseded among them; the header `webhook-superseded` says it to the endpoint. */
            supersedes: number;
            /** @description Type of the event, such as `order.paid`. */
            type: string;
        };
        /**
         * @description * `pending` - Pending
         *     * `sending` - Sending
         *     * `delivered` - Delivered
         *     * `dead` - Dead
         *     * `cancelled` - Cancelled
         *     * `superseded` - Superseded by a newer delivery of its key
         *     * `not_sent` - Not sent
         *     * `deferred` - Not routed yet
         * @enum {string}
         */
        DeliveryOutcome: "pending" | "sending" | "delivered" | "dead" | "cancelled" | "superseded" | "not_sent" | "deferred";
        /** @description A page of Delivery objects. */
        DeliveryPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Delivery"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /**
         * @description * `pending` - Pending
         *     * `sending` - Sending
         *     * `delivered` - Delivered
         *     * `dead` - Dead
         *     * `cancelled` - Cancelled
         *     * `superseded` - Superseded by a newer delivery of its key
         * @enum {string}
         */
        DeliveryState: "pending" | "sending" | "delivered" | "dead" | "cancelled" | "superseded";
        /** @description A drain: a process that sends deliveries. Averages are over the 5 s before `reported_at`. */
        Drain: {
            /** @description Deliveries claimed that are not sent yet. */
            claimed_ahead: number;
            /**
             * Format: double
             * @description Deliveries claimed per second.
             */
            claimed_per_second: number;
            /**
             * Format: double
             * @description Processors that the process uses: 1 is one of them.
             */
            cpu: number;
            /** @description Attempts in flight. */
            in_flight: number;
            /** @description Endpoints whose queues it leases. */
            lanes: number;
            /**
             * Format: double
             * @description Part of the time spent working instead of waiting for work, from 0 to 1.
             */
            load: number;
            /** @description Host name of the machine or container. */
            machine: string;
            /**
             * Format: double
             * @description Part of the machine's processors in use by any process, over about a minute, from 0 to 1.
             */
            machine_cpu: number;
            /** @description Attempts that may be in flight. */
            max_in_flight: number;
            /** @description Id of the process. */
            pid: number;
            /**
             * Format: date-time
             * @description When it reported these figures.
             */
            reported_at: string;
            /**
             * Format: double
             * @description Attempts that ended and were recorded per second.
             */
            settled_per_second: number;
            /**
             * Format: date-time
             * @description When the drain started.
             */
            started_at: string;
            /**
             * Format: double
             * @description Attempts started and ended in a turn of its loop, on average.
             */
            turn_size: number;
            /**
             * Format: double
             * @description Part of its capacity in use, over the last minute, from 0 to 1. It is less than `load` because a drain can do more in larger turns.
             */
            used: number;
            /**
             * Format: double
             * @description Part of the time spent waiting for the database, or for a processor where none is free.
             */
            waiting_for_database: number;
        };
        /**
         * @description A subscription, stored or given here, and the events to test it on.
         *
         *     Fields that are left out are those of `subscription`, if it is given.
         */
        DryRunRequest: {
            /** @description Id or `uid` of the endpoint whose request is shown. Without one, no request is shown. */
            endpoint?: string;
            /** @description One event: an object as it would be published, or the id of a published event. */
            event?: {
                [key: string]: unknown;
            } | string;
            /** @description Exact types, `order.*` for all types below order, or `*`. Default: `*`. */
            event_types?: string[];
            /** @description Several events in place of `event`, up to 25. */
            events?: ({
                [key: string]: unknown;
            } | string)[];
            /** @description Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. Null: any event matches. */
            pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Id or `uid` of a stored subscription. */
            subscription?: string;
            /** @description Body to send, as `input_paths`, `texts`, `template` and `content_type`, or as `jsonata` and `content_type`; null: the whole event. */
            transformer?: components["schemas"]["EventTransformer"] | null;
        };
        /** @description The result for one event: whether it would be delivered, and why not otherwise. */
        DryRunResult: {
            /** @description Masks of the event's type and of the endpoint. Those of a published event's type were applied before, and are not listed. */
            masks: components["schemas"]["AppliedMask"][];
            /** @description Whether the event would be delivered. */
            matches: boolean;
            /** @description Where the pattern does not match; empty if it does, or without a pattern. */
            mismatches: components["schemas"]["PatternMismatch"][];
            /** @description The request that would be sent; null without an endpoint, or if nothing would be sent. */
            request: components["schemas"]["RequestPreview"] | null;
            /** @description Why the transformation failed; empty if it did not. */
            transformation_error: string;
            /** @description Whether `event_types` include the event's type. */
            type_matches: boolean;
        };
        /** @description The results of a subscription test. */
        DryRunResults: {
            /** @description One result for each event, in order. */
            data: components["schemas"]["DryRunResult"][];
        };
        /** @description A destination of webhooks: a URL or another system, and how they are sent to it. */
        Endpoint: {
            /** @description Where deliveries go, without credentials: the URL, or the queue, stream or table. */
            address: string;
            /** @description Requests per minute that the endpoint allowed when verified; null: any. */
            allowed_rate: number | null;
            /** @description Authentication to send in addition to the signature. Secrets in it are never shown; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            auth: components["schemas"]["EndpointAuth"] | null;
            /** @description Lets events share a request: at most `max_events` (default 100) and `max_bytes` (262144), sent `window_seconds` (1) after the first of them. With `http` the body is an array of CloudEvents. Null: no. */
            batch: unknown;
            /** @description Name of the connector that the endpoint was created from; empty: none. */
            connector: string | null;
            /**
             * @description How the CloudEvent is sent.
             *
             *     * `structured` - Structured: the CloudEvent as JSON
             *     * `binary` - Binary: data in the body, attributes in headers
             *     * `reference` - Reference: the CloudEvent as JSON with a link to its data
             */
            content_mode: components["schemas"]["EndpointContentMode"] | null;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Free text for people. */
            description: string;
            /** @description Why an operator has disabled it, in their words; empty in any other state. Only platform keys may set it, together with the state `disabled`. Default: empty. */
            disabled_note: string;
            /**
             * @description Why the endpoint is disabled; null in any other state.
             *
             *     * `responded_410` - 410 Gone
             *     * `failing` - Failing for days
             *     * `operator` - By operator
             */
            disabled_reason: components["schemas"]["EndpointDisabledReason"] | null;
            /**
             * Format: date-time
             * @description When it is deleted, and what still waits for it is cancelled, within a minute; null: never. For endpoints of a test, a page or a command line.
             */
            expires_at: string | null;
            /** @description For APIs that respond with 2xx to what they did not accept: `{"ok": [false]}`, an event pattern on the JSON body of the response. A match is a failed attempt (`refused`), which is retried. The first 16 KiB of the body count. Null: every 2xx is a success. At most 1 KiB. */
            failure_pattern: components["schemas"]["EventPattern"] | null;
            /** @description Custom headers to send with every delivery: names and values. API keys without the scope `manage` see `***` in place of the values; `***` in a request keeps the stored value. Default: none. */
            headers: {
                [key: string]: string;
            } | null;
            /** @description Id, beginning with `ep_`. */
            id: string;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels: {
                [key: string]: string;
            };
            /** @description Of the deliveries that wait, only the latest of each key is sent: `endpoint` (one key for all), `subject`, `partitionkey`, or a path into the event such as `$.data.order.id`; null: all are sent. Applies to events published from now on. */
            latest_only: string | null;
            /** @description What is removed, masked, hashed or encrypted of each event for this endpoint, beside the masks of event types. Applies to events published from now on. Default: `[]`. */
            masks: components["schemas"]["Mask"][];
            /** @description Maximum number of concurrent attempts. */
            max_in_flight: number;
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata: {
                [key: string]: unknown;
            };
            /** @description Endpoint that gets an invocation record, `waypost.delivery.failed`, of each delivery that ended without success: id or `uid`; returned as the id. Null: none. */
            on_failure: string | null;
            /** @description Endpoint that gets an invocation record, `waypost.delivery.succeeded`, of each delivery that succeeded: id or `uid`; returned as the id. Null: none. */
            on_success: string | null;
            /**
             * @description Which deliveries are sent in order, so that a failing one blocks those after it; null: none. Applies to events published from now on.
             *
             *     * `endpoint` - All deliveries in order
             *     * `subject` - In order per subject
             *     * `partitionkey` - In order per partitionkey
             */
            ordering: components["schemas"]["EndpointOrdering"] | null;
            /** @description Burst size: attempts that may start at once after a pause; null: a tenth of a second's rate. */
            rate_burst: number | null;
            /** @description Maximum number of attempts per `rate_period`; null: no limit. */
            rate_limit: number | null;
            /**
             * @description Unit of `rate_limit`.
             *
             *     * `second` - Per second
             *     * `minute` - Per minute
             */
            rate_period: components["schemas"]["EndpointRatePeriod"];
            /**
             * Send link instead of payload above (bytes)
             * @description Size of the data in bytes above which a link is sent instead, in any content mode; null: never.
             */
            reference_above_bytes: number | null;
            /** @description Seconds to wait after each failure, as an array, or an object that describes them; returned as the array. `[]`: never again, one attempt only. Null: the default, 10 attempts over 75 h 35 min. */
            retry_plan: components["schemas"]["EndpointRetryPlan"] | null;
            /** @description Settings of the type, as `GET /endpoint-types/` lists them; empty for `http`. Other settings are tried before they are stored. */
            settings: {
                [key: string]: unknown;
            };
            /**
             * @description While not active, deliveries wait up to seven days; after a 410 they become dead letters at once.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `disabled` - Disabled
             *     * `unverified` - Unverified
             */
            state: components["schemas"]["EndpointState"];
            /**
             * Format: date-time
             * @description When the state last changed.
             */
            state_changed_at: string;
            /** @description Id of the tenant it belongs to. */
            tenant: string;
            /**
             * Timeout (ms)
             * @description Milliseconds for one attempt, from its start to its end.
             */
            timeout_ms: number;
            /** @description Client certificate with its `private_key`, and a certificate authority, as PEM. Returned are their subject and expiry; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            tls: components["schemas"]["EndpointTls"] | null;
            /** @description Where deliveries go: `http`, a URL, or another system, such as `sqs`. `GET /endpoint-types/` lists the types with their settings. Cannot be changed. Default: `http`. */
            type: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string | null;
            /** @description Whether it receives events without the masks of their types. Only a platform key may set it. Applies to events published from now on. */
            unmasked: boolean;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
            /** @description Address that receives the deliveries. */
            url: string | null;
            /**
             * @description Whether the endpoint has confirmed that it wants deliveries.
             *
             *     * `unverified` - Unverified
             *     * `requested` - Requested
             *     * `verified` - Verified
             */
            verification: components["schemas"]["EndpointVerificationState"] | null;
            /**
             * Format: date-time
             * @description When the endpoint confirmed.
             */
            verified_at: string | null;
        };
        /** @description Authentication of requests to an endpoint, of one of several kinds. */
        EndpointAuth: components["schemas"]["EndpointAuthNone"] | components["schemas"]["EndpointAuthBasic"] | components["schemas"]["EndpointAuthBearer"] | components["schemas"]["EndpointAuthHeader"] | components["schemas"]["EndpointAuthBody"] | components["schemas"]["EndpointAuthClientCredentials"] | components["schemas"]["EndpointAuthAwsSignature"];
        /** @description AWS Signature Version 4, made for each attempt, as Lambda function URLs with `AWS_IAM` and APIs of API Gateway with IAM authorization require it. */
        EndpointAuthAwsSignature: {
            /**
             * @description Id of the access key.
             * @example AKIAIOSFODNN7EXAMPLE
             */
            access_key_id: string;
            /** @description Region of the service, such as `eu-central-1`. */
            region: string;
            /** @description Secret of the access key. */
            secret_access_key?: string;
            /**
             * @description Service that verifies the signature: `lambda`, `execute-api` for API Gateway, or another one.
             * @default lambda
             */
            service: string;
            /** @description Session token of temporary credentials, which end with it. Default: none. */
            session_token?: string;
            /**
             * @description Kind of authentication: `aws_sigv4`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            type: "aws_sigv4";
        };
        /** @description HTTP Basic. */
        EndpointAuthBasic: {
            /** @description Password; may be empty. */
            password?: string;
            /**
             * @description Kind of authentication: `basic`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            type: "basic";
            /** @description User name. */
            username: string;
        };
        /** @description A bearer token. */
        EndpointAuthBearer: {
            /** @description Token for the Authorization header. */
            token?: string;
            /**
             * @description Kind of authentication: `bearer`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            type: "bearer";
        };
        /** @description A key in the body, for APIs that take none in a header: a member that is added to the JSON object of each request, after it was rendered, and is not stored with deliveries. */
        EndpointAuthBody: {
            /** @description Name of the member. */
            name: string;
            /**
             * @description Kind of authentication: `body`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            type: "body";
            /** @description Value of the member. */
            value?: string;
        };
        /** @description An OAuth 2 access token, by client credentials. */
        EndpointAuthClientCredentials: {
            /** @description Audience to request. Default: none. */
            audience?: string;
            /**
             * @description How the client authenticates: by HTTP Basic, or in the request body.
             * @default basic
             * @enum {string}
             */
            client_auth: "basic" | "body";
            /** @description Client id. */
            client_id: string;
            /** @description Client secret. */
            client_secret?: string;
            /** @description Scopes to request, separated by spaces. Default: none. */
            scope?: string;
            /**
             * Format: uri
             * @description URL of the token endpoint.
             */
            token_url: string;
            /**
             * @description Kind of authentication: `oauth2`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            type: "oauth2";
        };
        /** @description A key in a header. */
        EndpointAuthHeader: {
            /** @description Name of the header. */
            name: string;
            /**
             * @description Kind of authentication: `header`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            type: "header";
            /** @description Value of the header. */
            value?: string;
        };
        /** @description No authentication, as null. */
        EndpointAuthNone: {
            /**
             * @description Kind of authentication: `none`. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            type: "none";
        };
        /** @description The result of one item of a batch. */
        EndpointBatchItem: {
            /** @description The endpoint; with its `secret` if it was created; null: it failed. */
            endpoint: components["schemas"]["EndpointWithSecret"] | null;
            /** @description The problem that a request with this item alone would get; null: none. */
            error: components["schemas"]["Problem"] | null;
            /**
             * @description What was done.
             *
             *     * `created` - No endpoint had this uid
             *     * `updated` - The endpoint with this uid was replaced
             *     * `failed` - Nothing was changed for this item; see `error`
             */
            status: components["schemas"]["EndpointBatchStatus"];
            /** @description The `uid` of the item. */
            uid: string;
        };
        /** @description Endpoints to create or replace, each by its `uid`. */
        EndpointBatchRequest: {
            /** @description Endpoints, each with a `uid`, at most 500. One whose `uid` exists is replaced as by a PUT. */
            data: components["schemas"]["EndpointItemRequest"][];
        };
        /** @description The results of a batch, in the order of its items. */
        EndpointBatchResult: {
            /** @description Endpoints created. */
            created: number;
            /** @description One result for each item, in order. */
            data: components["schemas"]["EndpointBatchItem"][];
            /** @description Items that changed nothing. */
            failed: number;
            /** @description Endpoints replaced. */
            updated: number;
        };
        /**
         * @description * `created` - No endpoint had this uid
         *     * `updated` - The endpoint with this uid was replaced
         *     * `failed` - Nothing was changed for this item; see `error`
         * @enum {string}
         */
        EndpointBatchStatus: "created" | "updated" | "failed";
        /**
         * @description * `pause_requested` - The endpoint has asked with Retry-After to be sent nothing for a while
         *     * `circuit_open` - The endpoint keeps failing: sending is paused by the circuit breaker
         *     * `probing` - The endpoint has failed: one attempt at a time decides whether sending resumes
         *     * `blocked` - The endpoint is ordered: a failed delivery waits for its retry and blocks those behind it
         *     * `rate_limit` - More is due than the endpoint's rate limit allows
         *     * `window_full` - As many attempts are in flight as the endpoint can take at once
         *     * `not_pulled` - No consumer has fetched its messages
         *     * `no_drain` - No drain has started with it: all are busy with other endpoints, or none is running
         *     * `drain_busy` - Its drain is busy: nothing of the endpoint limits it
         * @enum {string}
         */
        EndpointBehindBecause: "pause_requested" | "circuit_open" | "probing" | "blocked" | "rate_limit" | "window_full" | "not_pulled" | "no_drain" | "drain_busy";
        /** @description A certificate of an endpoint, as it is shown. */
        EndpointCertificate: {
            /**
             * Format: date-time
             * @description When it expires.
             */
            not_after?: string;
            /** @description SHA-256 of the certificate, hexadecimal. */
            sha256?: string;
            /** @description Subject of the certificate. */
            subject?: string;
        };
        /**
         * @description * `url` - url
         *     * `credentials` - credentials
         *     * `content_mode` - content_mode
         *     * `secrets` - secrets
         *     * `settings` - settings
         *     * `unmasked` - unmasked
         * @enum {string}
         */
        EndpointChange: "url" | "credentials" | "content_mode" | "secrets" | "settings" | "unmasked";
        /**
         * @description * `structured` - Structured: the CloudEvent as JSON
         *     * `binary` - Binary: data in the body, attributes in headers
         *     * `reference` - Reference: the CloudEvent as JSON with a link to its data
         * @enum {string}
         */
        EndpointContentMode: "structured" | "binary" | "reference";
        /** @description A new endpoint: a URL that receives webhooks, how they are sent and signed, and which events it receives. */
        EndpointCreateRequest: {
            /** @description Authentication to send in addition to the signature. Secrets in it are never shown; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            auth?: components["schemas"]["EndpointAuth"] | null;
            /** @description Lets events share a request: at most `max_events` (default 100) and `max_bytes` (262144), sent `window_seconds` (1) after the first of them. With `http` the body is an array of CloudEvents. Null: no. */
            batch?: unknown;
            /**
             * @description How the CloudEvent is sent.
             *
             *     * `structured` - Structured: the CloudEvent as JSON
             *     * `binary` - Binary: data in the body, attributes in headers
             *     * `reference` - Reference: the CloudEvent as JSON with a link to its data
             * @default structured
             */
            content_mode: components["schemas"]["EndpointContentMode"] | null;
            /** @description Credentials of the type, such as `password`: stored encrypted, and never shown. Those that are left out stay; null removes one. */
            credentials?: {
                [key: string]: unknown;
            };
            /** @description Free text for people. */
            description?: string;
            /** @description Why an operator has disabled it, in their words; empty in any other state. Only platform keys may set it, together with the state `disabled`. Default: empty. */
            disabled_note?: string;
            /**
             * Format: date-time
             * @description When it is deleted, and what still waits for it is cancelled, within a minute; null: never. For endpoints of a test, a page or a command line.
             */
            expires_at?: string | null;
            /** @description For APIs that respond with 2xx to what they did not accept: `{"ok": [false]}`, an event pattern on the JSON body of the response. A match is a failed attempt (`refused`), which is retried. The first 16 KiB of the body count. Null: every 2xx is a success. At most 1 KiB. */
            failure_pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Custom headers to send with every delivery: names and values. API keys without the scope `manage` see `***` in place of the values; `***` in a request keeps the stored value. Default: none. */
            headers?: {
                [key: string]: string;
            } | null;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /** @description Of the deliveries that wait, only the latest of each key is sent: `endpoint` (one key for all), `subject`, `partitionkey`, or a path into the event such as `$.data.order.id`; null: all are sent. Applies to events published from now on. */
            latest_only?: string | null;
            /** @description What is removed, masked, hashed or encrypted of each event for this endpoint, beside the masks of event types. Applies to events published from now on. Default: `[]`. */
            masks?: components["schemas"]["Mask"][];
            /**
             * @description Maximum number of concurrent attempts.
             * @default 512
             */
            max_in_flight: number;
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description Endpoint that gets an invocation record, `waypost.delivery.failed`, of each delivery that ended without success: id or `uid`; returned as the id. Null: none. */
            on_failure?: string | null;
            /** @description Endpoint that gets an invocation record, `waypost.delivery.succeeded`, of each delivery that succeeded: id or `uid`; returned as the id. Null: none. */
            on_success?: string | null;
            /**
             * @description Which deliveries are sent in order, so that a failing one blocks those after it; null: none. Applies to events published from now on.
             *
             *     * `endpoint` - All deliveries in order
             *     * `subject` - In order per subject
             *     * `partitionkey` - In order per partitionkey
             * @default null
             */
            ordering: components["schemas"]["EndpointOrdering"] | null;
            /** @description Burst size: attempts that may start at once after a pause; null: a tenth of a second's rate. */
            rate_burst?: number | null;
            /** @description Maximum number of attempts per `rate_period`; null: no limit. */
            rate_limit?: number | null;
            /**
             * @description Unit of `rate_limit`.
             *
             *     * `second` - Per second
             *     * `minute` - Per minute
             * @default second
             */
            rate_period: components["schemas"]["EndpointRatePeriod"];
            /**
             * Send link instead of payload above (bytes)
             * @description Size of the data in bytes above which a link is sent instead, in any content mode; null: never.
             */
            reference_above_bytes?: number | null;
            /** @description Seconds to wait after each failure, as an array, or an object that describes them; returned as the array. `[]`: never again, one attempt only. Null: the default, 10 attempts over 75 h 35 min. */
            retry_plan?: components["schemas"]["EndpointRetryPlan"] | null;
            /** @description Secret that signs the deliveries: `whsec_` and the base64 of 24 to 64 random bytes; for `v1a` a `whsk_` private key. Default: generated. */
            secret?: string;
            /** @description Settings of the type, as `GET /endpoint-types/` lists them; empty for `http`. Other settings are tried before they are stored. */
            settings?: {
                [key: string]: unknown;
            };
            /**
             * @description Signature scheme of Standard Webhooks. Default: `v1`.
             *
             *     * `v1` - HMAC-SHA256
             *     * `v1a` - ed25519
             */
            signing?: components["schemas"]["SigningScheme"];
            /** @description Whether to store settings without trying them. Default: false, so that settings with which the destination cannot be written to are refused. */
            skip_test?: boolean;
            /**
             * @description While not active, deliveries wait up to seven days; after a 410 they become dead letters at once.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `disabled` - Disabled
             *     * `unverified` - Unverified
             */
            state?: components["schemas"]["EndpointState"];
            /** @description Subscriptions of this endpoint: `[{"event_types": ["order.*"]}]`. They take the place of those that name it now; equal ones stay. Left out: no change. At most 100. */
            subscriptions?: components["schemas"]["EndpointSubscriptionRequest"][];
            /**
             * Timeout (ms)
             * @description Milliseconds for one attempt, from its start to its end.
             * @default 15000
             */
            timeout_ms: number;
            /** @description Client certificate with its `private_key`, and a certificate authority, as PEM. Returned are their subject and expiry; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            tls?: components["schemas"]["EndpointTls"] | null;
            /**
             * @description Where deliveries go: `http`, a URL, or another system, such as `sqs`. `GET /endpoint-types/` lists the types with their settings. Cannot be changed. Default: `http`.
             * @default http
             */
            type: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
            /**
             * @description Whether it receives events without the masks of their types. Only a platform key may set it. Applies to events published from now on.
             * @default false
             */
            unmasked: boolean;
            /** @description Address that receives the deliveries. */
            url: string | null;
        };
        /**
         * @description * `responded_410` - 410 Gone
         *     * `failing` - Failing for days
         *     * `operator` - By operator
         * @enum {string}
         */
        EndpointDisabledReason: "responded_410" | "failing" | "operator";
        /** @description How an endpoint is: in a word, in sentences for people, and in numbers. */
        EndpointHealth: {
            /** @description Attempts in the last 24 hours. Test deliveries are not counted. */
            attempts: number;
            /** @description Those of them that delivered. */
            delivered: number;
            /**
             * Format: date-time
             * @description When it will be disabled at the earliest, if it fails all the time; null: it does not fail, or failing endpoints are not disabled.
             */
            disabled_at: string | null;
            /** @description Days after the first failure on which attempts failed, a day or more apart. */
            failing_days: number;
            /** @description Those that it rejected: it responded 3xx or 4xx, but not 408 or 429. */
            rejected: number;
            /** @description How many of a hundred attempts it rejected; null without attempts. */
            rejected_percent: number | null;
            /**
             * @description How the endpoint is; the worst that applies.
             *
             *     * `healthy` - It accepts most deliveries
             *     * `rejecting` - It works, and rejects most deliveries with 3xx or 4xx; nothing is paused because of that
             *     * `failing` - It does not respond, or with 408, 429 or 5xx
             *     * `pause_requested` - It asked with `Retry-After` to be sent nothing for a while
             *     * `inactive` - Nothing is sent because it is paused, disabled or unverified
             *     * `unknown` - No attempts were made in the last 24 hours
             */
            state: components["schemas"]["EndpointHealthState"];
            /** @description The same in sentences, with what follows from it. */
            text: string;
            /** @description Warnings about its failures (`waypost.endpoint.failing`) published since the last sign of life. */
            warnings_sent: number;
        };
        /**
         * @description * `healthy` - It accepts most deliveries
         *     * `rejecting` - It works, and rejects most deliveries with 3xx or 4xx; nothing is paused because of that
         *     * `failing` - It does not respond, or with 408, 429 or 5xx
         *     * `pause_requested` - It asked with `Retry-After` to be sent nothing for a while
         *     * `inactive` - Nothing is sent because it is paused, disabled or unverified
         *     * `unknown` - No attempts were made in the last 24 hours
         * @enum {string}
         */
        EndpointHealthState: "healthy" | "rejecting" | "failing" | "pause_requested" | "inactive" | "unknown";
        /** @description An endpoint of a batch, to create or to replace by its `uid`. */
        EndpointItemRequest: {
            /** @description Authentication to send in addition to the signature. Secrets in it are never shown; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            auth?: components["schemas"]["EndpointAuth"] | null;
            /** @description Lets events share a request: at most `max_events` (default 100) and `max_bytes` (262144), sent `window_seconds` (1) after the first of them. With `http` the body is an array of CloudEvents. Null: no. */
            batch?: unknown;
            /**
             * @description How the CloudEvent is sent.
             *
             *     * `structured` - Structured: the CloudEvent as JSON
             *     * `binary` - Binary: data in the body, attributes in headers
             *     * `reference` - Reference: the CloudEvent as JSON with a link to its data
             * @default structured
             */
            content_mode: components["schemas"]["EndpointContentMode"] | null;
            /** @description Credentials of the type, such as `password`: stored encrypted, and never shown. Those that are left out stay; null removes one. */
            credentials?: {
                [key: string]: unknown;
            };
            /** @description Free text for people. */
            description?: string;
            /** @description Why an operator has disabled it, in their words; empty in any other state. Only platform keys may set it, together with the state `disabled`. Default: empty. */
            disabled_note?: string;
            /**
             * Format: date-time
             * @description When it is deleted, and what still waits for it is cancelled, within a minute; null: never. For endpoints of a test, a page or a command line.
             */
            expires_at?: string | null;
            /** @description For APIs that respond with 2xx to what they did not accept: `{"ok": [false]}`, an event pattern on the JSON body of the response. A match is a failed attempt (`refused`), which is retried. The first 16 KiB of the body count. Null: every 2xx is a success. At most 1 KiB. */
            failure_pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Custom headers to send with every delivery: names and values. API keys without the scope `manage` see `***` in place of the values; `***` in a request keeps the stored value. Default: none. */
            headers?: {
                [key: string]: string;
            } | null;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /** @description Of the deliveries that wait, only the latest of each key is sent: `endpoint` (one key for all), `subject`, `partitionkey`, or a path into the event such as `$.data.order.id`; null: all are sent. Applies to events published from now on. */
            latest_only?: string | null;
            /** @description What is removed, masked, hashed or encrypted of each event for this endpoint, beside the masks of event types. Applies to events published from now on. Default: `[]`. */
            masks?: components["schemas"]["Mask"][];
            /**
             * @description Maximum number of concurrent attempts.
             * @default 512
             */
            max_in_flight: number;
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description Endpoint that gets an invocation record, `waypost.delivery.failed`, of each delivery that ended without success: id or `uid`; returned as the id. Null: none. */
            on_failure?: string | null;
            /** @description Endpoint that gets an invocation record, `waypost.delivery.succeeded`, of each delivery that succeeded: id or `uid`; returned as the id. Null: none. */
            on_success?: string | null;
            /**
             * @description Which deliveries are sent in order, so that a failing one blocks those after it; null: none. Applies to events published from now on.
             *
             *     * `endpoint` - All deliveries in order
             *     * `subject` - In order per subject
             *     * `partitionkey` - In order per partitionkey
             * @default null
             */
            ordering: components["schemas"]["EndpointOrdering"] | null;
            /** @description Burst size: attempts that may start at once after a pause; null: a tenth of a second's rate. */
            rate_burst?: number | null;
            /** @description Maximum number of attempts per `rate_period`; null: no limit. */
            rate_limit?: number | null;
            /**
             * @description Unit of `rate_limit`.
             *
             *     * `second` - Per second
             *     * `minute` - Per minute
             * @default second
             */
            rate_period: components["schemas"]["EndpointRatePeriod"];
            /**
             * Send link instead of payload above (bytes)
             * @description Size of the data in bytes above which a link is sent instead, in any content mode; null: never.
             */
            reference_above_bytes?: number | null;
            /** @description Seconds to wait after each failure, as an array, or an object that describes them; returned as the array. `[]`: never again, one attempt only. Null: the default, 10 attempts over 75 h 35 min. */
            retry_plan?: components["schemas"]["EndpointRetryPlan"] | null;
            /** @description Secret that signs the deliveries: `whsec_` and the base64 of 24 to 64 random bytes; for `v1a` a `whsk_` private key. Default: generated. */
            secret?: string;
            /** @description Settings of the type, as `GET /endpoint-types/` lists them; empty for `http`. Other settings are tried before they are stored. */
            settings?: {
                [key: string]: unknown;
            };
            /**
             * @description Signature scheme of Standard Webhooks. Default: `v1`.
             *
             *     * `v1` - HMAC-SHA256
             *     * `v1a` - ed25519
             */
            signing?: components["schemas"]["SigningScheme"];
            /** @description Whether to store settings without trying them. Default: false, so that settings with which the destination cannot be written to are refused. */
            skip_test?: boolean;
            /**
             * @description While not active, deliveries wait up to seven days; after a 410 they become dead letters at once.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `disabled` - Disabled
             *     * `unverified` - Unverified
             */
            state?: components["schemas"]["EndpointState"];
            /** @description Subscriptions of this endpoint: `[{"event_types": ["order.*"]}]`. They take the place of those that name it now; equal ones stay. Left out: no change. At most 100. */
            subscriptions?: components["schemas"]["EndpointSubscriptionRequest"][];
            /**
             * Timeout (ms)
             * @description Milliseconds for one attempt, from its start to its end.
             * @default 15000
             */
            timeout_ms: number;
            /** @description Client certificate with its `private_key`, and a certificate authority, as PEM. Returned are their subject and expiry; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            tls?: components["schemas"]["EndpointTls"] | null;
            /**
             * @description Where deliveries go: `http`, a URL, or another system, such as `sqs`. `GET /endpoint-types/` lists the types with their settings. Cannot be changed. Default: `http`.
             * @default http
             */
            type: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string;
            /**
             * @description Whether it receives events without the masks of their types. Only a platform key may set it. Applies to events published from now on.
             * @default false
             */
            unmasked: boolean;
            /** @description Address that receives the deliveries. */
            url: string | null;
        };
        /**
         * @description * `endpoint` - All deliveries in order
         *     * `subject` - In order per subject
         *     * `partitionkey` - In order per partitionkey
         * @enum {string}
         */
        EndpointOrdering: "endpoint" | "subject" | "partitionkey";
        /** @description A page of Endpoint objects. */
        EndpointPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Endpoint"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /**
         * @description * `idle` - Nothing is due
         *     * `ready` - Deliveries are due and wait for a worker
         *     * `active` - A worker is sending
         *     * `pulled` - Deliveries wait until consumers fetch them
         *     * `endpoint_inactive` - Deliveries wait because the endpoint is not active
         *     * `circuit_open` - Sending is paused by the circuit breaker
         *     * `pause_requested` - Sending is paused until `waits_until`, as the endpoint asked with `Retry-After`
         * @enum {string}
         */
        EndpointQueueState: "idle" | "ready" | "active" | "pulled" | "endpoint_inactive" | "circuit_open" | "pause_requested";
        /**
         * @description * `second` - Per second
         *     * `minute` - Per minute
         * @enum {string}
         */
        EndpointRatePeriod: "second" | "minute";
        /** @description Seconds to wait after each failure, or an object that describes them. */
        EndpointRetryPlan: number[] | components["schemas"]["ExponentialRetryPlan"];
        /** @description The endpoints to delete, by a filter. Without conditions `"all": true` selects every endpoint of the tenant. */
        EndpointSelectionRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Filters of the list of endpoints: `uid`, `url`, `state`, `labels`, `q`, `since`, `until`. Example: `{"labels": {"env": "test"}}`. */
            filter?: {
                [key: string]: unknown;
            };
        };
        /** @description A setting of a type of endpoints: a member of `settings` or of `credentials`. */
        EndpointSetting: {
            /** @description Allowed values; empty: any. */
            choices: string[];
            /** @description Whether it is a member of `credentials`: encrypted, and never shown. */
            credential: boolean;
            /** @description Value if it is left out; null: none. */
            default: unknown;
            /** @description An example; empty: none. */
            example: string;
            /** @description What it is for. */
            help: string;
            /** @description Label of the field in a form. */
            label: string;
            /** @description Greatest value of a number; null: any. */
            maximum: number | null;
            /** @description Least value of a number; null: any. */
            minimum: number | null;
            /** @description Name of the member. */
            name: string;
            /** @description Whether it has to be given. */
            required: boolean;
            /**
             * @description JSON type: `text` and `texts` are a string and an array of strings, `number` an integer.
             *
             *     * `text` - text
             *     * `number` - number
             *     * `boolean` - boolean
             *     * `texts` - texts
             *     * `object` - object
             */
            type: components["schemas"]["SettingType"];
        };
        /**
         * @description * `active` - Active
         *     * `paused` - Paused
         *     * `disabled` - Disabled
         *     * `unverified` - Unverified
         * @enum {string}
         */
        EndpointState: "active" | "paused" | "disabled" | "unverified";
        /** @description Statistics of an endpoint, by hour and in total. */
        EndpointStats: {
            /** @description Statistics of each hour (UTC), oldest first. */
            data: components["schemas"]["AttemptStats"][];
            /** @description Statistics of all hours together. */
            total: components["schemas"]["AttemptStats"];
        };
        /** @description The delivery status of an endpoint: its queue, the rate of sending, and its circuit breaker. */
        EndpointStatus: {
            /** @description Pending deliveries, counted up to 10,000. */
            backlog: number;
            /** @description Whether there are more than `backlog`. */
            backlog_is_lower_bound: boolean;
            /** @description How far it is behind, and why; null: no delivery has been due for more than 5 s. */
            behind: components["schemas"]["Behind"] | null;
            /** @description Deliveries that block others, up to 20, the longest wait first. */
            blockers: components["schemas"]["BlockingDelivery"][];
            /** @description Circuit breaker of the endpoint. */
            circuit_breaker: components["schemas"]["CircuitBreaker"];
            /** @description Attempts that may be in flight at once now. It grows with successes and shrinks with failures. */
            concurrency: number;
            /**
             * Format: date-time
             * @description When the queue is processed next; null: nothing is due.
             */
            due_at: string | null;
            /**
             * Format: double
             * @description Deliveries per second possible now, by concurrency, rate limit, and response time and success of the latest attempts: 0 if all of these failed; null: unknown.
             */
            effective_rate: number | null;
            /**
             * @description State of the endpoint.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `disabled` - Disabled
             *     * `unverified` - Unverified
             */
            endpoint_state: components["schemas"]["EndpointState"];
            /** @description How the endpoint is, in words. */
            health: components["schemas"]["EndpointHealth"];
            /** @description Upper limit of `concurrency`, as set at the endpoint. */
            max_in_flight: number;
            /**
             * Format: date-time
             * @description Due time of the oldest pending delivery; null: none.
             */
            oldest_due_at: string | null;
            /**
             * @description What deliveries are ordered by; null: not ordered.
             *
             *     * `endpoint` - All deliveries in order
             *     * `subject` - In order per subject
             *     * `partitionkey` - In order per partitionkey
             */
            ordering: components["schemas"]["EndpointOrdering"] | null;
            /**
             * Format: date-time
             * @description When a consumer last asked for messages of an endpoint of the type `poll`, up to ten seconds late; null: never, or of another type.
             */
            pulled_at: string | null;
            /**
             * Format: double
             * @description Rate limit in attempts per second; null: no limit.
             */
            rate_limit: number | null;
            /** @description Attempts in flight now. */
            sending: number;
            /**
             * @description State of the queue.
             *
             *     * `idle` - Nothing is due
             *     * `ready` - Deliveries are due and wait for a worker
             *     * `active` - A worker is sending
             *     * `pulled` - Deliveries wait until consumers fetch them
             *     * `endpoint_inactive` - Deliveries wait because the endpoint is not active
             *     * `circuit_open` - Sending is paused by the circuit breaker
             *     * `pause_requested` - Sending is paused until `waits_until`, as the endpoint asked with `Retry-After`
             */
            state: components["schemas"]["EndpointQueueState"];
            /** @description The same in words, with the status; null: it did not ask for a pause. */
            waits_because: string | null;
            /**
             * Format: date-time
             * @description The endpoint asked with `Retry-After` to be sent nothing until then, a day at most; null: no.
             */
            waits_until: string | null;
        };
        /** @description A subscription that is given with its endpoint. */
        EndpointSubscriptionRequest: {
            /**
             * @description Whether events published from now on are sent. Default: true.
             * @default true
             */
            active: boolean;
            /** @description Free text for people. */
            description?: string;
            /** @description Exact types, `order.*` for all types below order, or `*` for all. At most 100. With a `pattern`, `["*"]` if left out. */
            event_types: string[];
            /** @description Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. Null: every event of these types. At most 16 KiB. */
            pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Body to send, as `input_paths`, `texts`, `template` and `content_type`, or as `jsonata` and `content_type`; null: the whole event. At most 64 KiB. */
            transformer?: components["schemas"]["EventTransformer"] | null;
        };
        /** @description Certificates for TLS connections to an endpoint. */
        EndpointTls: {
            /** @description Certificate authorities that may sign the endpoint's certificate, as PEM. */
            ca?: string | components["schemas"]["EndpointCertificate"][];
            /** @description Client certificate with its chain, as PEM. */
            certificate?: string | components["schemas"]["EndpointCertificate"][];
            /** @description Private key of the client certificate, as PEM. */
            private_key?: string;
        };
        /** @description A type of endpoints: where deliveries go. */
        EndpointType: {
            /** @description What an event becomes there, and the delivery guarantee. */
            description: string;
            /** @description Extra of the installation that brings its library: `pip install waypost[kafka]`; empty: none. */
            extra: string;
            /** @description Whether its library is installed. */
            installed: boolean;
            /** @description Name of the other system. */
            label: string;
            /** @description Python modules that are not installed. */
            missing: string[];
            /** @description Value of `type` of an endpoint. */
            name: string;
            /** @description Its settings and credentials; empty for `http`. */
            settings: components["schemas"]["EndpointSetting"][];
        };
        /** @description All types of endpoints. */
        EndpointTypeList: {
            /** @description Types; `http` is the first. */
            data: components["schemas"]["EndpointType"][];
        };
        /** @description A destination of webhooks: a URL or another system, and how they are sent to it. */
        EndpointUpdateRequest: {
            /** @description Authentication to send in addition to the signature. Secrets in it are never shown; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            auth?: components["schemas"]["EndpointAuth"] | null;
            /** @description Lets events share a request: at most `max_events` (default 100) and `max_bytes` (262144), sent `window_seconds` (1) after the first of them. With `http` the body is an array of CloudEvents. Null: no. */
            batch?: unknown;
            /**
             * @description How the CloudEvent is sent.
             *
             *     * `structured` - Structured: the CloudEvent as JSON
             *     * `binary` - Binary: data in the body, attributes in headers
             *     * `reference` - Reference: the CloudEvent as JSON with a link to its data
             */
            content_mode?: components["schemas"]["EndpointContentMode"] | null;
            /** @description Credentials of the type, such as `password`: stored encrypted, and never shown. Those that are left out stay; null removes one. */
            credentials?: {
                [key: string]: unknown;
            };
            /** @description Free text for people. */
            description?: string;
            /** @description Why an operator has disabled it, in their words; empty in any other state. Only platform keys may set it, together with the state `disabled`. Default: empty. */
            disabled_note?: string;
            /**
             * Format: date-time
             * @description When it is deleted, and what still waits for it is cancelled, within a minute; null: never. For endpoints of a test, a page or a command line.
             */
            expires_at?: string | null;
            /** @description For APIs that respond with 2xx to what they did not accept: `{"ok": [false]}`, an event pattern on the JSON body of the response. A match is a failed attempt (`refused`), which is retried. The first 16 KiB of the body count. Null: every 2xx is a success. At most 1 KiB. */
            failure_pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Custom headers to send with every delivery: names and values. API keys without the scope `manage` see `***` in place of the values; `***` in a request keeps the stored value. Default: none. */
            headers?: {
                [key: string]: string;
            } | null;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /** @description Of the deliveries that wait, only the latest of each key is sent: `endpoint` (one key for all), `subject`, `partitionkey`, or a path into the event such as `$.data.order.id`; null: all are sent. Applies to events published from now on. */
            latest_only?: string | null;
            /** @description What is removed, masked, hashed or encrypted of each event for this endpoint, beside the masks of event types. Applies to events published from now on. Default: `[]`. */
            masks?: components["schemas"]["Mask"][];
            /** @description Maximum number of concurrent attempts. */
            max_in_flight?: number;
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description Endpoint that gets an invocation record, `waypost.delivery.failed`, of each delivery that ended without success: id or `uid`; returned as the id. Null: none. */
            on_failure?: string | null;
            /** @description Endpoint that gets an invocation record, `waypost.delivery.succeeded`, of each delivery that succeeded: id or `uid`; returned as the id. Null: none. */
            on_success?: string | null;
            /**
             * @description Which deliveries are sent in order, so that a failing one blocks those after it; null: none. Applies to events published from now on.
             *
             *     * `endpoint` - All deliveries in order
             *     * `subject` - In order per subject
             *     * `partitionkey` - In order per partitionkey
             */
            ordering?: components["schemas"]["EndpointOrdering"] | null;
            /** @description Burst size: attempts that may start at once after a pause; null: a tenth of a second's rate. */
            rate_burst?: number | null;
            /** @description Maximum number of attempts per `rate_period`; null: no limit. */
            rate_limit?: number | null;
            /**
             * @description Unit of `rate_limit`.
             *
             *     * `second` - Per second
             *     * `minute` - Per minute
             */
            rate_period?: components["schemas"]["EndpointRatePeriod"];
            /**
             * Send link instead of payload above (bytes)
             * @description Size of the data in bytes above which a link is sent instead, in any content mode; null: never.
             */
            reference_above_bytes?: number | null;
            /** @description Seconds to wait after each failure, as an array, or an object that describes them; returned as the array. `[]`: never again, one attempt only. Null: the default, 10 attempts over 75 h 35 min. */
            retry_plan?: components["schemas"]["EndpointRetryPlan"] | null;
            /** @description Settings of the type, as `GET /endpoint-types/` lists them; empty for `http`. Other settings are tried before they are stored. */
            settings?: {
                [key: string]: unknown;
            };
            /** @description Whether to store settings without trying them. Default: false, so that settings with which the destination cannot be written to are refused. */
            skip_test?: boolean;
            /**
             * @description While not active, deliveries wait up to seven days; after a 410 they become dead letters at once.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `disabled` - Disabled
             *     * `unverified` - Unverified
             */
            state?: components["schemas"]["EndpointState"];
            /**
             * Timeout (ms)
             * @description Milliseconds for one attempt, from its start to its end.
             */
            timeout_ms?: number;
            /** @description Client certificate with its `private_key`, and a certificate authority, as PEM. Returned are their subject and expiry; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            tls?: components["schemas"]["EndpointTls"] | null;
            /** @description Where deliveries go: `http`, a URL, or another system, such as `sqs`. `GET /endpoint-types/` lists the types with their settings. Cannot be changed. Default: `http`. */
            type?: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
            /** @description Whether it receives events without the masks of their types. Only a platform key may set it. Applies to events published from now on. */
            unmasked?: boolean;
            /** @description Address that receives the deliveries. */
            url?: string | null;
        };
        /**
         * @description * `unverified` - Unverified
         *     * `requested` - Requested
         *     * `verified` - Verified
         * @enum {string}
         */
        EndpointVerificationState: "unverified" | "requested" | "verified";
        /** @description A new endpoint, with what its deliveries are verified with: `secret` (`v1`) or `public_key` (`v1a`). */
        EndpointWithSecret: {
            /** @description Where deliveries go, without credentials: the URL, or the queue, stream or table. */
            address: string;
            /** @description Requests per minute that the endpoint allowed when verified; null: any. */
            allowed_rate: number | null;
            /** @description Authentication to send in addition to the signature. Secrets in it are never shown; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            auth: components["schemas"]["EndpointAuth"] | null;
            /** @description Lets events share a request: at most `max_events` (default 100) and `max_bytes` (262144), sent `window_seconds` (1) after the first of them. With `http` the body is an array of CloudEvents. Null: no. */
            batch: unknown;
            /** @description Name of the connector that the endpoint was created from; empty: none. */
            connector: string | null;
            /**
             * @description How the CloudEvent is sent.
             *
             *     * `structured` - Structured: the CloudEvent as JSON
             *     * `binary` - Binary: data in the body, attributes in headers
             *     * `reference` - Reference: the CloudEvent as JSON with a link to its data
             */
            content_mode: components["schemas"]["EndpointContentMode"] | null;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Free text for people. */
            description: string;
            /** @description Why an operator has disabled it, in their words; empty in any other state. Only platform keys may set it, together with the state `disabled`. Default: empty. */
            disabled_note: string;
            /**
             * @description Why the endpoint is disabled; null in any other state.
             *
             *     * `responded_410` - 410 Gone
             *     * `failing` - Failing for days
             *     * `operator` - By operator
             */
            disabled_reason: components["schemas"]["EndpointDisabledReason"] | null;
            /**
             * Format: date-time
             * @description When it is deleted, and what still waits for it is cancelled, within a minute; null: never. For endpoints of a test, a page or a command line.
             */
            expires_at: string | null;
            /** @description For APIs that respond with 2xx to what they did not accept: `{"ok": [false]}`, an event pattern on the JSON body of the response. A match is a failed attempt (`refused`), which is retried. The first 16 KiB of the body count. Null: every 2xx is a success. At most 1 KiB. */
            failure_pattern: components["schemas"]["EventPattern"] | null;
            /** @description Custom headers to send with every delivery: names and values. API keys without the scope `manage` see `***` in place of the values; `***` in a request keeps the stored value. Default: none. */
            headers: {
                [key: string]: string;
            } | null;
            /** @description Id, beginning with `ep_`. */
            id: string;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels: {
                [key: string]: string;
            };
            /** @description Of the deliveries that wait, only the latest of each key is sent: `endpoint` (one key for all), `subject`, `partitionkey`, or a path into the event such as `$.data.order.id`; null: all are sent. Applies to events published from now on. */
            latest_only: string | null;
            /** @description What is removed, masked, hashed or encrypted of each event for this endpoint, beside the masks of event types. Applies to events published from now on. Default: `[]`. */
            masks: components["schemas"]["Mask"][];
            /** @description Maximum number of concurrent attempts. */
            max_in_flight: number;
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata: {
                [key: string]: unknown;
            };
            /** @description Endpoint that gets an invocation record, `waypost.delivery.failed`, of each delivery that ended without success: id or `uid`; returned as the id. Null: none. */
            on_failure: string | null;
            /** @description Endpoint that gets an invocation record, `waypost.delivery.succeeded`, of each delivery that succeeded: id or `uid`; returned as the id. Null: none. */
            on_success: string | null;
            /**
             * @description Which deliveries are sent in order, so that a failing one blocks those after it; null: none. Applies to events published from now on.
             *
             *     * `endpoint` - All deliveries in order
             *     * `subject` - In order per subject
             *     * `partitionkey` - In order per partitionkey
             */
            ordering: components["schemas"]["EndpointOrdering"] | null;
            /** @description Public key (`v1a`), with the prefix `whpk_`. */
            public_key?: string;
            /** @description Burst size: attempts that may start at once after a pause; null: a tenth of a second's rate. */
            rate_burst: number | null;
            /** @description Maximum number of attempts per `rate_period`; null: no limit. */
            rate_limit: number | null;
            /**
             * @description Unit of `rate_limit`.
             *
             *     * `second` - Per second
             *     * `minute` - Per minute
             */
            rate_period: components["schemas"]["EndpointRatePeriod"];
            /**
             * Send link instead of payload above (bytes)
             * @description Size of the data in bytes above which a link is sent instead, in any content mode; null: never.
             */
            reference_above_bytes: number | null;
            /** @description Seconds to wait after each failure, as an array, or an object that describes them; returned as the array. `[]`: never again, one attempt only. Null: the default, 10 attempts over 75 h 35 min. */
            retry_plan: components["schemas"]["EndpointRetryPlan"] | null;
            /** @description Shared secret (`v1`). Store it now: it is not shown again. */
            secret?: string;
            /** @description Settings of the type, as `GET /endpoint-types/` lists them; empty for `http`. Other settings are tried before they are stored. */
            settings: {
                [key: string]: unknown;
            };
            /**
             * @description While not active, deliveries wait up to seven days; after a 410 they become dead letters at once.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `disabled` - Disabled
             *     * `unverified` - Unverified
             */
            state: components["schemas"]["EndpointState"];
            /**
             * Format: date-time
             * @description When the state last changed.
             */
            state_changed_at: string;
            /** @description Id of the tenant it belongs to. */
            tenant: string;
            /**
             * Timeout (ms)
             * @description Milliseconds for one attempt, from its start to its end.
             */
            timeout_ms: number;
            /** @description Client certificate with its `private_key`, and a certificate authority, as PEM. Returned are their subject and expiry; sent back as it was returned, it is unchanged. Null removes it. Default: none. */
            tls: components["schemas"]["EndpointTls"] | null;
            /** @description Where deliveries go: `http`, a URL, or another system, such as `sqs`. `GET /endpoint-types/` lists the types with their settings. Cannot be changed. Default: `http`. */
            type: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string | null;
            /** @description Whether it receives events without the masks of their types. Only a platform key may set it. Applies to events published from now on. */
            unmasked: boolean;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
            /** @description Address that receives the deliveries. */
            url: string | null;
            /**
             * @description Whether the endpoint has confirmed that it wants deliveries.
             *
             *     * `unverified` - Unverified
             *     * `requested` - Requested
             *     * `verified` - Verified
             */
            verification: components["schemas"]["EndpointVerificationState"] | null;
            /**
             * Format: date-time
             * @description When the endpoint confirmed.
             */
            verified_at: string | null;
        };
        /** @description A request to erase what there is about a subject, with its progress: `erased` of `total` events. */
        Erasure: {
            /** @description Deliveries that were unfinished and are cancelled. */
            cancelled: number;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Deliveries of these events whose bodies, responses and dead letters were erased. */
            deliveries: number;
            /** @description Events erased so far. */
            erased: number;
            /**
             * Format: date-time
             * @description When it finished or was cancelled.
             */
            finished_at: string | null;
            /** @description Id, beginning with `era_`. */
            id: string;
            /** @description Events per second, at most. */
            rate: number;
            /** @description Receipts of these events that were erased. */
            receipts: number;
            /** @description The API key or the admin user. */
            requested_by: string;
            /**
             * @description Whether it runs, or how it ended.
             *
             *     * `running` - Running
             *     * `finished` - Finished
             *     * `cancelled` - Cancelled
             */
            state: components["schemas"]["ReplayState"];
            /** @description The subject, while the erasure runs; empty when it has ended. */
            subject: string;
            /** @description Keyed hash of the subject, as masks write it. */
            subject_hash: string;
            /** @description Id of the tenant whose events are erased. */
            tenant: string;
            /** @description Events that matched when it was created. */
            total: number;
        };
        /** @description The number of events that an erasure would erase now. */
        ErasureCount: {
            /** @description Deliveries of these events. */
            deliveries: number;
            /** @description Whether counting stopped at its limit: there may be more. */
            is_lower_bound: boolean;
            /** @description Rows that match now. */
            total: number;
            /** @description Those of the deliveries that would be cancelled. */
            unfinished: number;
        };
        /** @description A subject, and how fast it is erased. */
        ErasureCreateRequest: {
            /**
             * @description Events per second, at most.
             * @default 100
             */
            rate: number;
            /** @description `subject` of the events, exact, as it was published. Found also where a mask has hashed it. */
            subject: string;
        };
        /** @description A page of Erasure objects. */
        ErasurePage: {
            /** @description Items of this page. */
            data: components["schemas"]["Erasure"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The subject about which events are erased. */
        ErasureSelectionRequest: {
            /** @description `subject` of the events, exact, as it was published. Found also where a mask has hashed it. */
            subject: string;
        };
        /** @description An event that was accepted, without its data. */
        Event: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When its deliveries are created; null: when it was published.
             */
            deliver_at: string | null;
            /** @description The CloudEvent's own id; unique together with the source. */
            event_id: string;
            /** @description Id, beginning with `evt_`. */
            id: string;
            /**
             * Format: date-time
             * @description When the data was erased; empty: it was not.
             */
            payload_deleted_at: string | null;
            /**
             * @description `routed`: the deliveries of the event are created. `deferred`: the event is accepted, and a worker creates its deliveries, because doing so at once would exceed a limit of publishing. `scheduled`: they are created at `deliver_at`. `cancelled`: it was cancelled before that.
             *
             *     * `routed` - Routed: its deliveries are created
             *     * `deferred` - Deferred: a worker creates its deliveries
             *     * `scheduled` - Scheduled: its deliveries are created at deliver_at
             *     * `cancelled` - Cancelled before deliver_at: it has no deliveries
             */
            routing: components["schemas"]["EventRouting"];
            /** @description Source of the CloudEvent. */
            source: string;
            /** @description What the event is about, such as an order's id. */
            subject: string | null;
            /** @description Type of the event, such as order.paid. */
            type: string;
        };
        /** @description EventBridgeParameters of a target of Amazon EventBridge Scheduler. */
        EventBridgeParametersRequest: {
            /** @description Type of the event. */
            DetailType: string;
            /** @description Source of the event. */
            Source: string;
        };
        /**
         * @description * `NONE` - Keep it
         *     * `DELETE` - Delete it
         * @enum {string}
         */
        EventBridgeScheduleAction: "NONE" | "DELETE";
        /** @description A schedule as `CreateSchedule` of Amazon EventBridge Scheduler takes it, or `GetSchedule` returns it. */
        EventBridgeScheduleRequest: {
            /**
             * @description What becomes of it after its last occurrence. Default: `NONE`.
             *
             *     * `NONE` - Keep it
             *     * `DELETE` - Delete it
             */
            ActionAfterCompletion?: components["schemas"]["EventBridgeScheduleAction"];
            /** @description Accepted and not used. */
            Arn?: string | null;
            /** @description Accepted and not used. */
            ClientToken?: string | null;
            /**
             * Format: date-time
             * @description Accepted and not used.
             */
            CreationDate?: string | null;
            /** @description Description. */
            Description?: string | null;
            /**
             * Format: date-time
             * @description Becomes `end_at`.
             */
            EndDate?: string | null;
            /** @description Window. Default: on time. */
            FlexibleTimeWindow?: components["schemas"]["EventBridgeWindowRequest"];
            /** @description Becomes the `group`. */
            GroupName?: string;
            /** @description Accepted and not used. */
            KmsKeyArn?: string | null;
            /**
             * Format: date-time
             * @description Accepted and not used.
             */
            LastModificationDate?: string | null;
            /** @description Becomes the `uid`. */
            Name: string;
            /** @description `at(...)`, `rate(...)` or `cron(...)`. */
            ScheduleExpression: string;
            /** @description IANA time zone. Default: UTC. */
            ScheduleExpressionTimezone?: string;
            /**
             * Format: date-time
             * @description Becomes `start_at`.
             */
            StartDate?: string | null;
            /**
             * @description Whether it is active. Default: `ENABLED`.
             *
             *     * `ENABLED` - Active
             *     * `DISABLED` - Paused
             */
            State?: components["schemas"]["EventBridgeScheduleState"];
            /** @description What is published. */
            Target: components["schemas"]["EventBridgeTargetRequest"];
        };
        /**
         * @description * `ENABLED` - Active
         *     * `DISABLED` - Paused
         * @enum {string}
         */
        EventBridgeScheduleState: "ENABLED" | "DISABLED";
        /** @description Target of Amazon EventBridge Scheduler. What only AWS has a use for is accepted and not stored. */
        EventBridgeTargetRequest: {
            /** @description Accepted and not used. */
            Arn?: string | null;
            /** @description Accepted and not used. */
            DeadLetterConfig?: {
                [key: string]: unknown;
            } | null;
            /** @description Type and source of the event. */
            EventBridgeParameters?: components["schemas"]["EventBridgeParametersRequest"] | null;
            /** @description Data of the event: JSON, or text. `<aws.scheduler...>` is replaced by the placeholder that it is called here. */
            Input?: string | null;
            /** @description Accepted and not used. */
            KinesisParameters?: {
                [key: string]: unknown;
            } | null;
            /** @description Accepted and not used. */
            RetryPolicy?: {
                [key: string]: unknown;
            } | null;
            /** @description Accepted and not used. */
            RoleArn?: string | null;
            /** @description Accepted and not used. */
            SqsParameters?: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * @description * `OFF` - On time
         *     * `FLEXIBLE` - Within a window
         * @enum {string}
         */
        EventBridgeWindowMode: "OFF" | "FLEXIBLE";
        /** @description FlexibleTimeWindow of Amazon EventBridge Scheduler. */
        EventBridgeWindowRequest: {
            /** @description Its length in minutes. */
            MaximumWindowInMinutes?: number | null;
            /**
             * @description Whether there is a window.
             *
             *     * `OFF` - On time
             *     * `FLEXIBLE` - Within a window
             */
            Mode: components["schemas"]["EventBridgeWindowMode"];
        };
        /** @description An event to publish. Only `type` is required; id, source and time are filled in. Other members are rejected. */
        EventCreateRequest: {
            /** @description Any JSON value, in the form that the schema of the type describes. */
            data?: unknown;
            /** @description Media type of the data. Default: `application/json`. */
            datacontenttype?: string | null;
            /** @description URI of a schema of the data. */
            dataschema?: string | null;
            /**
             * Format: date-time
             * @description When to deliver the event, up to 366 days ahead; the subscriptions are matched then. It is not part of the event that is sent. In a CloudEvent: the attribute `waypostdeliverat`. Default: at once.
             */
            deliver_at?: string | null;
            /** @description Extension attributes of the CloudEvent: names of lower-case letters and digits, with strings, integers or booleans. Example: `{"partitionkey": "A-17"}`. */
            extensions?: {
                [key: string]: unknown;
            } | null;
            /** @description Your own id of the event, unique within its source; the same again is a duplicate and is not sent. Default: a new id, which makes the event a new one every time. */
            id?: string | null;
            /** @description What published the event, as a URI reference such as `/orders`. Default: `urn:waypost:` and the tenant's id. */
            source?: string | null;
            /**
             * @description Version of the CloudEvents specification.
             *
             *     * `1.0` - CloudEvents 1.0
             */
            specversion?: components["schemas"]["CloudEventsVersion"] | null;
            /** @description What the event is about, such as an order's id. Endpoints can order their deliveries by it. */
            subject?: string | null;
            /** @description With a platform key: id or `uid` of the tenant that the event is published for, if `Waypost-Tenant` names none. It is not part of the event that is sent. */
            tenant?: string;
            /**
             * Format: date-time
             * @description When it happened. Default: the time of publishing.
             */
            time?: string | null;
            /** @description Type of the event, such as `order.paid`. Subscriptions select events by it. */
            type: string;
        };
        /** @description An event that was accepted, with the CloudEvent as it is signed and sent. */
        EventDetail: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When its deliveries are created; null: when it was published.
             */
            deliver_at: string | null;
            /** @description The CloudEvent as JSON, byte for byte as it is sent; without data once that is deleted. */
            event: components["schemas"]["CloudEvent"];
            /** @description The CloudEvent's own id; unique together with the source. */
            event_id: string;
            /** @description Id, beginning with `evt_`. */
            id: string;
            /**
             * Format: date-time
             * @description When the data was erased; empty: it was not.
             */
            payload_deleted_at: string | null;
            /**
             * @description `routed`: the deliveries of the event are created. `deferred`: the event is accepted, and a worker creates its deliveries, because doing so at once would exceed a limit of publishing. `scheduled`: they are created at `deliver_at`. `cancelled`: it was cancelled before that.
             *
             *     * `routed` - Routed: its deliveries are created
             *     * `deferred` - Deferred: a worker creates its deliveries
             *     * `scheduled` - Scheduled: its deliveries are created at deliver_at
             *     * `cancelled` - Cancelled before deliver_at: it has no deliveries
             */
            routing: components["schemas"]["EventRouting"];
            /** @description Source of the CloudEvent. */
            source: string;
            /** @description What the event is about, such as an order's id. */
            subject: string | null;
            /** @description Type of the event, such as order.paid. */
            type: string;
            /** @description What is wrong with the event and was tolerated: a type that is not in the catalogue, or data that violates the schema of its type. Null: nothing. */
            warnings: components["schemas"]["SchemaWarning"][] | null;
        };
        /** @description A page of Event objects. */
        EventPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Event"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description Event pattern: the fields of an event, each with the values and conditions it may match. */
        EventPattern: {
            [key: string]: unknown;
        };
        /**
         * @description * `routed` - Routed: its deliveries are created
         *     * `deferred` - Deferred: a worker creates its deliveries
         *     * `scheduled` - Scheduled: its deliveries are created at deliver_at
         *     * `cancelled` - Cancelled before deliver_at: it has no deliveries
         * @enum {string}
         */
        EventRouting: "routed" | "deferred" | "scheduled" | "cancelled";
        /** @description How the body to send is made of an event. */
        EventTransformer: {
            /** @description Content type of the body, such as `text/csv; charset=utf-8`. Default: that of a CloudEvent, of JSON, or of plain text, as the body is. */
            content_type?: string;
            /** @description Values of the event to use, as JSON paths by name: `{"number": "$.data.number"}`. */
            input_paths?: {
                [key: string]: string;
            };
            /** @description JSONata expression of the body, in place of a template: `{"number": data.number, "total": $sum(data.lines.price)}`. */
            jsonata?: string;
            /** @description Body to send; `<number>` stands for the value of that name. */
            template?: string;
            /** @description Texts to use in the template by name, cut to a length: `{"title": {"template": "Order <$.subject>", "max_length": 255}}`. At most 20. */
            texts?: {
                [key: string]: {
                    /**
                     * @description `html`: write `&`, `<` and `>` of values as entities.
                     * @enum {string}
                     */
                    escape?: "html";
                    /** @description UTF-16 units to which the text is cut; the cut one ends with an ellipsis. */
                    max_length?: number;
                    /** @description Whether line breaks become spaces. Default: false. */
                    one_line?: boolean;
                    /** @description Text with `<$.path>` and `<name>` of input paths; any other `<...>` stays. */
                    template: string;
                };
            };
        };
        /** @description A type of events: what they mean and what their data looks like. */
        EventType: {
            /** @description Hidden from the catalogue. */
            archived: boolean;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Still sent, but new receivers should not use it. */
            deprecated: boolean;
            /** @description What an event of this type means. */
            description: string;
            /** @description Examples of `data`, which have to match the schema. Default: none. */
            examples: unknown[];
            /** @description Heading under which the catalogue lists the type. */
            group: string;
            /** @description Id, beginning with `ety_`. */
            id: string;
            /** @description Paths into the data by whose values events of this type can be found, at most 8: `["data.order.id", "data.lines[*].sku"]`. Texts, numbers and booleans are found, as filter `value` of events, deliveries and dead letters, and by operators. Applies within a second to events published from now on. Default: `[]`. */
            indexed_paths: string[];
            /** @description What is removed, masked, hashed or encrypted of each event before it is stored and sent. Applies within a second to events published from now on. Default: `[]`. */
            masks: components["schemas"]["Mask"][];
            /** @description Type of the events, such as order.paid. */
            name: string;
            /** @description JSON Schema (draft 2020-12) of `data`; a changed one becomes the next version. Null: none. */
            schema: {
                [key: string]: unknown;
            } | null;
            /**
             * @description What happens to an event that does not match the schema.
             *
             *     * `off` - Accept
             *     * `warn` - Accept with a warning
             *     * `enforce` - Reject
             */
            schema_check: components["schemas"]["SchemaCheckMode"];
            /** @description Id of the tenant it belongs to; null: a type of the platform, for all tenants. */
            tenant: string | null;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
            /** @description Version of the current schema; 0: no schema. */
            version: number;
        };
        /** @description The event types that an import changed or, with `dry_run`, would change. */
        EventTypeImportReport: {
            /** @description Types changed. */
            changed: components["schemas"]["ChangedEventType"][];
            /** @description Names of the types created. */
            created: string[];
            /** @description Whether nothing was changed. */
            dry_run: boolean;
            /** @description Names of the types left as they are. */
            unchanged: string[];
        };
        /** @description An OpenAPI document to import event types from. */
        EventTypeImportRequest: {
            /** @description OpenAPI 3.1 document; each of its `webhooks` becomes an event type. */
            document: {
                [key: string]: unknown;
            };
            /**
             * @description Report what would change, and change nothing.
             * @default false
             */
            dry_run: boolean;
            /**
             * @description `schema_check` of the types it creates. Default: `warn`.
             *
             *     * `off` - Accept
             *     * `warn` - Accept with a warning
             *     * `enforce` - Reject
             */
            schema_check?: components["schemas"]["SchemaCheckMode"];
        };
        /** @description A page of EventType objects. */
        EventTypePage: {
            /** @description Items of this page. */
            data: components["schemas"]["EventType"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A type of events: what they mean and what their data looks like. */
        EventTypeRequest: {
            /**
             * @description Hidden from the catalogue.
             * @default false
             */
            archived: boolean;
            /**
             * @description Still sent, but new receivers should not use it.
             * @default false
             */
            deprecated: boolean;
            /** @description What an event of this type means. */
            description?: string;
            /** @description Examples of `data`, which have to match the schema. Default: none. */
            examples?: unknown[];
            /** @description Heading under which the catalogue lists the type. */
            group?: string;
            /** @description Paths into the data by whose values events of this type can be found, at most 8: `["data.order.id", "data.lines[*].sku"]`. Texts, numbers and booleans are found, as filter `value` of events, deliveries and dead letters, and by operators. Applies within a second to events published from now on. Default: `[]`. */
            indexed_paths?: string[];
            /** @description What is removed, masked, hashed or encrypted of each event before it is stored and sent. Applies within a second to events published from now on. Default: `[]`. */
            masks?: components["schemas"]["Mask"][];
            /** @description Type of the events, such as order.paid. */
            name: string;
            /** @description JSON Schema (draft 2020-12) of `data`; a changed one becomes the next version. Null: none. */
            schema?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description What happens to an event that does not match the schema.
             *
             *     * `off` - Accept
             *     * `warn` - Accept with a warning
             *     * `enforce` - Reject
             * @default warn
             */
            schema_check: components["schemas"]["SchemaCheckMode"];
        };
        /** @description A type of events: what they mean and what their data looks like. */
        EventTypeUpdateRequest: {
            /** @description Hidden from the catalogue. */
            archived?: boolean;
            /** @description Still sent, but new receivers should not use it. */
            deprecated?: boolean;
            /** @description What an event of this type means. */
            description?: string;
            /** @description Examples of `data`, which have to match the schema. Default: none. */
            examples?: unknown[];
            /** @description Heading under which the catalogue lists the type. */
            group?: string;
            /** @description Paths into the data by whose values events of this type can be found, at most 8: `["data.order.id", "data.lines[*].sku"]`. Texts, numbers and booleans are found, as filter `value` of events, deliveries and dead letters, and by operators. Applies within a second to events published from now on. Default: `[]`. */
            indexed_paths?: string[];
            /** @description What is removed, masked, hashed or encrypted of each event before it is stored and sent. Applies within a second to events published from now on. Default: `[]`. */
            masks?: components["schemas"]["Mask"][];
            /** @description Type of the events, such as order.paid. */
            name?: string;
            /** @description JSON Schema (draft 2020-12) of `data`; a changed one becomes the next version. Null: none. */
            schema?: {
                [key: string]: unknown;
            } | null;
            /**
             * @description What happens to an event that does not match the schema.
             *
             *     * `off` - Accept
             *     * `warn` - Accept with a warning
             *     * `enforce` - Reject
             */
            schema_check?: components["schemas"]["SchemaCheckMode"];
        };
        /** @description One version of an event type's schema. It never changes. */
        EventTypeVersion: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description JSON Schema (draft 2020-12) of `data`. */
            schema: unknown;
            /** @description Number of the version, from 1. */
            version: number;
        };
        /** @description A page of EventTypeVersion objects. */
        EventTypeVersionPage: {
            /** @description Items of this page. */
            data: components["schemas"]["EventTypeVersion"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The outcome of an event at one endpoint, with the reasons. */
        Explanation: {
            /** @description Id of the delivery; null: none. */
            delivery: string | null;
            /** @description Id of the endpoint. */
            endpoint: string;
            /** @description State of the endpoint: `active`, `paused`, `disabled` or `unverified`. */
            endpoint_state: string;
            /** @description Masks that apply now to events of this type on their way to the endpoint: those of the type unless the endpoint receives events unmasked, and its own. */
            masks: components["schemas"]["ShownMask"][];
            /** @description Number of further reasons that are not shown. */
            more_reasons: number;
            /**
             * @description State of the delivery, or `not_sent` if the event was not sent to the endpoint, or `deferred` while a worker has to match it with the subscriptions, also because it waits for its `deliver_at`.
             *
             *     * `pending` - Pending
             *     * `sending` - Sending
             *     * `delivered` - Delivered
             *     * `dead` - Dead
             *     * `cancelled` - Cancelled
             *     * `superseded` - Superseded by a newer delivery of its key
             *     * `not_sent` - Not sent
             *     * `deferred` - Not routed yet
             */
            outcome: components["schemas"]["DeliveryOutcome"];
            /** @description Why the outcome is what it is. */
            reasons: components["schemas"]["ExplanationReason"][];
            /** @description URL of the endpoint, or the address of another system. */
            url: string;
        };
        /** @description A page of Explanation objects. */
        ExplanationPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Explanation"][];
            /** @description Why the event was sent nowhere, if the tenant has no endpoints or no subscriptions; otherwise null. */
            message: string | null;
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A reason why an event was, or was not, sent to an endpoint, or is still waiting. */
        ExplanationReason: {
            /** @description Reason as a code. Not sent: `no_subscription`, `type`, `pattern`, `inactive`, `created_later`, `changed_later`, `endpoint_created_later`, `unknown`, `cancelled`. Waiting: `deferred`, `paused`, `disabled`, `unverified`, `pause_requested`, `circuit_open`, `scheduled`, `blocked`, `rate_limit`, `queued`. Of invocation records: `named`, `result`, `result_pending`. Of events of other tenants: `shared`, `grant`. Otherwise the state of the delivery, or the cause of its dead letter. */
            code: string;
            /** @description Reason in words. */
            detail: string;
            /** @description With the code `pattern`: where the pattern does not match. */
            mismatches: components["schemas"]["PatternMismatch"][];
            /** @description Id of the subscription that the reason is about; null: none. */
            subscription: string | null;
        };
        /** @description Waits that grow by a factor; give `attempts`, `horizon` or both. */
        ExponentialRetryPlan: {
            /** @description Attempts in all; required without `horizon`. Default: as many as it has room for. */
            attempts?: number;
            /**
             * @description Longest wait in seconds.
             * @default 86400
             */
            cap: number;
            /**
             * @description Factor by which each wait is longer than the one before.
             * @default 2
             */
            factor: number;
            /** @description Seconds to wait after the first failure. */
            first: number;
            /** @description Sum of all waits in seconds, at most. Default: no limit. */
            horizon?: number;
        };
        /** @description A message that could not be processed. */
        FailedMessageRequest: {
            /** @description `attempt` of the message: the report is ignored if another attempt has begun. Default: any. */
            attempt?: number;
            /** @description Id of the message. */
            id: string;
            /**
             * @description Why, for people; it is recorded as the response of the attempt.
             * @default
             */
            reason: string;
            /** @description Seconds before which it is not handed out again; the retry plan may make it later. */
            retry_after?: number;
        };
        /** @description An invalid field of a request. */
        FieldError: {
            /**
             * @description What kind of error it is, for programs: `invalid`: The value is invalid for a reason of its own; see `detail`. `required`: The field is missing. `null`: The field must not be null. `blank`: The text must not be empty. `unknown`: Unknown field, parameter or object. `ambiguous`: Fields that exclude each other, or a name that several objects have. `invalid_choice`: The value is none of the choices, which `detail` lists. `max_length`: The value is too long, or has too many items. `min_length`: The value is too short, or has too few items. `max_value`: The number is too large. `min_value`: The number is too small. `mismatch`: A part of the value, at `pointer`, does not match its schema or grammar. `conflict`: Another object has the value, or the current state does not allow it.
             * @example required
             */
            code: string;
            /** @description What is wrong, and what to give instead. */
            detail: string;
            /** @description Path of the field: names and positions, separated by dots. */
            field: string;
            /** @description The same path as a JSON pointer (RFC 6901) into the body. */
            pointer?: string;
        };
        /** @description The permission of a tenant, the grantee, to subscribe to events of another one. */
        Grant: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Free text for people. */
            description: string;
            /**
             * Format: date-time
             * @description When it ended; null: it applies.
             */
            ended_at: string | null;
            /** @description Types that are shared: exact ones, `order.*` for all types below order, or `*` for all. Events of the platform itself cannot be shared. At most 100. */
            event_types: string[];
            /** @description Tenant that may subscribe: its id, with a platform key also its `uid`; returned as the id. Cannot be changed. */
            grantee: string;
            /** @description Id, beginning with `gnt_`. */
            id: string;
            /** @description Event pattern that the event must match to be shared. Null: every event of these types. */
            pattern: components["schemas"]["EventPattern"] | null;
            /** @description Id of the tenant whose events are shared. */
            tenant: string;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
        };
        /** @description A page of Grant objects. */
        GrantPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Grant"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The permission of a tenant, the grantee, to subscribe to events of another one. */
        GrantRequest: {
            /** @description Free text for people. */
            description?: string;
            /** @description Types that are shared: exact ones, `order.*` for all types below order, or `*` for all. Events of the platform itself cannot be shared. At most 100. */
            event_types: string[];
            /** @description Tenant that may subscribe: its id, with a platform key also its `uid`; returned as the id. Cannot be changed. */
            grantee: string;
            /** @description Event pattern that the event must match to be shared. Null: every event of these types. */
            pattern?: components["schemas"]["EventPattern"] | null;
        };
        /** @description The permission of a tenant, the grantee, to subscribe to events of another one. */
        GrantUpdateRequest: {
            /** @description Free text for people. */
            description?: string;
            /** @description Types that are shared: exact ones, `order.*` for all types below order, or `*` for all. Events of the platform itself cannot be shared. At most 100. */
            event_types?: string[];
            /** @description Tenant that may subscribe: its id, with a platform key also its `uid`; returned as the id. Cannot be changed. */
            grantee?: string;
            /** @description Event pattern that the event must match to be shared. Null: every event of these types. */
            pattern?: components["schemas"]["EventPattern"] | null;
        };
        /** @description The figures of each period, oldest first, also of those without any. */
        History: {
            /** @description Figures of each period, oldest first. */
            data: components["schemas"]["HistoryRow"][];
            /** @description Figures of all periods together. */
            total: components["schemas"]["HistoryRow"];
        };
        /** @description Percentiles of the duration of attempts in milliseconds; null without attempts. */
        HistoryLatency: {
            /** @description Half of the attempts took at most this long. */
            p50: number | null;
            /** @description 95 % of the attempts took at most this long. */
            p95: number | null;
        };
        /** @description The figures of one day or month (UTC), or of all of them together. Test deliveries are not counted. */
        HistoryRow: {
            /** @description Attempts that ended. */
            attempts: number;
            /**
             * Format: date-time
             * @description Start of the period.
             */
            begins_at: string;
            /** @description Deliveries that failed permanently; of days that are over by an hour or more. */
            dead_letters: number;
            /** @description Attempts that delivered. */
            delivered: number;
            /** @description Deliveries created for them; 0 for one endpoint. */
            deliveries: number;
            /** @description Events accepted, without duplicates; 0 for one endpoint. */
            events: number;
            /** @description Attempts that failed. */
            failed: number;
            /** @description Failed attempts by HTTP status, or by class of failure. */
            failures: {
                [key: string]: number;
            };
            /** @description Duration of attempts in milliseconds. */
            latency_ms: components["schemas"]["HistoryLatency"];
            /** @description Open dead letters at the end of the period; null: not measured. */
            open_dead_letters: number | null;
            /** @description Pending deliveries at the end of the period; null: not measured. */
            pending: number | null;
            /** @description Failed attempts that the endpoint rejected. */
            rejected: number;
        };
        /** @description A request that an inspector received. */
        InspectedRequest: {
            /** @description Body as text, its first 65,536 bytes; null: it is not UTF-8 (see `body_base64`). */
            body: string | null;
            /** @description Body in Base64, if it is not UTF-8; else null. */
            body_base64: string | null;
            /** @description Size of the whole body in bytes. */
            body_bytes: number;
            /** @description Id of the endpoint whose secret signed it; null: none. */
            endpoint: string | null;
            /** @description Headers by name in lower case. Values that may hold credentials are `[removed]`. */
            headers: {
                [key: string]: string;
            };
            /** @description Id, beginning with `irq_`. */
            id: string;
            /** @description Whether the signature is that of an endpoint of the tenant with this address; null: there is none. */
            is_verified: boolean | null;
            /** @description HTTP method. */
            method: string;
            /** @description Path and query. */
            path: string;
            /**
             * Format: date-time
             * @description When it was received.
             */
            received_at: string;
            /** @description HTTP status of the response. */
            response_status: number;
            /** @description Why the signature is valid or not, in words. */
            verification: string;
        };
        /** @description A page of InspectedRequest objects. */
        InspectedRequestPage: {
            /** @description Items of this page. */
            data: components["schemas"]["InspectedRequest"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description An address that responds to every request and keeps it. */
        Inspector: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When the inspector and its requests are deleted.
             */
            expires_at: string;
            /** @description Id, beginning with `insp_`. */
            id: string;
            /** @description Name shown on the page. */
            name: string;
            /** @description Page for a browser that shows the requests while they arrive. It needs no API key: anyone who has this address can read them. */
            page_url: string;
            /** @description Milliseconds before each response, at most 20,000: longer than the endpoint's `timeout_ms`, for example, to see timeouts. */
            response_delay_ms: number;
            /** @description HTTP status of every response, from 200 to 599: `503`, for example, to see retries. */
            response_status: number;
            /** @description Id of the tenant it belongs to. */
            tenant: string;
            /** @description Address that keeps every request: the `url` of an endpoint, or of anything else that sends requests. */
            url: string;
        };
        /** @description A new request inspector. */
        InspectorCreateRequest: {
            /**
             * @description Seconds until the inspector and its requests are deleted. Default: 86,400 (one day); at most 7 days.
             * @default 86400
             */
            expires_in: number;
            /** @description Name shown on the page. */
            name?: string;
            /**
             * @description Milliseconds before each response, at most 20,000: longer than the endpoint's `timeout_ms`, for example, to see timeouts.
             * @default 0
             */
            response_delay_ms: number;
            /**
             * @description HTTP status of every response, from 200 to 599: `503`, for example, to see retries.
             * @default 200
             */
            response_status: number;
        };
        /** @description A page of Inspector objects. */
        InspectorPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Inspector"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description An address that responds to every request and keeps it. */
        InspectorUpdateRequest: {
            /** @description Name shown on the page. */
            name?: string;
            /** @description Milliseconds before each response, at most 20,000: longer than the endpoint's `timeout_ms`, for example, to see timeouts. */
            response_delay_ms?: number;
            /** @description HTTP status of every response, from 200 to 599: `503`, for example, to see retries. */
            response_status?: number;
        };
        /** @description An Ed25519 public key as a JSON Web Key (RFC 8037). */
        JsonWebKey: {
            /** @description Algorithm of the signatures: `EdDSA`. */
            alg: string;
            /** @description Curve: `Ed25519`. */
            crv: string;
            /** @description Key id: the thumbprint of the key (RFC 7638). */
            kid: string;
            /** @description Key type: `OKP`. */
            kty: string;
            /** @description The same key as text with the prefix `whpk_`. */
            public_key: string;
            /** @description Use of the key: `sig`, to verify signatures. */
            use: string;
            /** @description Public key in base64url. */
            x: string;
        };
        /** @description The public keys of an endpoint as a JSON Web Key Set (RFC 7517). */
        JsonWebKeySet: {
            /** @description Keys that sign now, newest first; empty for `v1`. */
            keys: components["schemas"]["JsonWebKey"][];
        };
        /** @description An endpoint with a delivery that has been due for more than 5 s, and why. */
        LaneBehind: {
            /**
             * @description Why it is behind.
             *
             *     * `pause_requested` - The endpoint has asked with Retry-After to be sent nothing for a while
             *     * `circuit_open` - The endpoint keeps failing: sending is paused by the circuit breaker
             *     * `probing` - The endpoint has failed: one attempt at a time decides whether sending resumes
             *     * `blocked` - The endpoint is ordered: a failed delivery waits for its retry and blocks those behind it
             *     * `rate_limit` - More is due than the endpoint's rate limit allows
             *     * `window_full` - As many attempts are in flight as the endpoint can take at once
             *     * `not_pulled` - No consumer has fetched its messages
             *     * `no_drain` - No drain has started with it: all are busy with other endpoints, or none is running
             *     * `drain_busy` - Its drain is busy: nothing of the endpoint limits it
             */
            because: components["schemas"]["EndpointBehindBecause"];
            /** @description Delivery that blocks those behind it, if that is why; null otherwise. */
            blocking_delivery?: string | null;
            /**
             * Format: date-time
             * @description Since when the oldest of its deliveries has been due.
             */
            due_since: string;
            /** @description Id of the endpoint. */
            endpoint: string;
            /** @description The same in words. */
            explanation: string;
            /**
             * Format: double
             * @description The same in seconds.
             */
            seconds: number;
            /** @description Id of its tenant. */
            tenant: string;
        };
        /** @description Percentiles of the duration of attempts in milliseconds, failed attempts included; null without attempts. */
        LatencyPercentiles: {
            /** @description Half of the attempts took at most this long. */
            p50: number | null;
            /** @description 95 % of the attempts took at most this long. */
            p95: number | null;
            /** @description 99 % of the attempts took at most this long. */
            p99: number | null;
        };
        /**
         * @description * `plan` - Plan of the tenant
         *     * `setting` - Setting of the operator
         * @enum {string}
         */
        LimitSetBy: "plan" | "setting";
        /** @description What is done with the values at a path of an event. */
        Mask: {
            /**
             * @description `remove` the value; `mask`: write `***`; `hash`: a keyed hash, equal for equal values; `encrypt`: a JSON Web Encryption that the masking key decrypts.
             * @enum {string}
             */
            action: "remove" | "mask" | "hash" | "encrypt";
            /** @description Path of the values: `$.data.customer.email`, `$.data.lines[*].iban`, `$.subject`. */
            path: string;
        };
        /**
         * @description * `remove` - remove
         *     * `mask` - mask
         *     * `hash` - hash
         *     * `encrypt` - encrypt
         * @enum {string}
         */
        MaskingAction: "remove" | "mask" | "hash" | "encrypt";
        /** @description A key that decrypts values which masks have encrypted. */
        MaskingKey: {
            /**
             * Format: date-time
             * @description When a rotation has created it; null: it is the first key.
             */
            created_at: string | null;
            /** @description Whether values are encrypted by it now. */
            is_current: boolean;
            /** @description The key: 32 bytes for A256GCM, in base64url without padding. */
            key: string;
            /** @description The `kid` in the header of the values that it decrypts. */
            key_id: string;
        };
        /** @description Which key of a tenant is rotated. */
        MaskingKeyRotationRequest: {
            /**
             * @description Rotate the key of the platform's event types in place of that of the tenant's own.
             * @default false
             */
            of_platform: boolean;
        };
        /** @description Keys for values that masks have encrypted. */
        MaskingKeys: {
            /** @description The current key, then older ones; for a platform key, then those of the platform's event types. */
            data: components["schemas"]["MaskingKey"][];
        };
        /**
         * @description * `event_type` - event_type
         *     * `endpoint` - endpoint
         * @enum {string}
         */
        MaskOwner: "event_type" | "endpoint";
        /** @description A message: the body and the headers that an endpoint would be sent over HTTP. */
        Message: {
            /** @description Seconds from now to acknowledge it; then the attempt has failed, and it is handed out again. */
            acknowledge_within: number;
            /** @description Number of this attempt, from 1. */
            attempt: number;
            /** @description The signed bytes: the CloudEvent as JSON, or what the subscription made. */
            body: string;
            /**
             * @description How `body` is to be read before it is verified.
             *
             *     * `utf-8` - The body is text
             *     * `base64` - The body is bytes in base64
             */
            encoding: components["schemas"]["MessageEncoding"];
            /** @description `webhook-id` (the same in each attempt), `webhook-timestamp`, `webhook-signature`, `content-type`. */
            headers: {
                [key: string]: string;
            };
            /** @description Id of the delivery, by which the message is acknowledged. */
            id: string;
            /** @description Messages with the same key are handed out one after the other; null: in any order. */
            order_key: string | null;
        };
        /**
         * @description * `utf-8` - The body is text
         *     * `base64` - The body is bytes in base64
         * @enum {string}
         */
        MessageEncoding: "utf-8" | "base64";
        /**
         * @description * `acknowledged` - It is delivered, by this report or an earlier one
         *     * `failed` - The attempt has failed; the retry plan goes on
         *     * `extended` - The visibility timeout begins anew
         *     * `too_late` - Its visibility timeout was over, or another attempt has begun; nothing was changed
         *     * `ended` - It is dead, cancelled or superseded; nothing was changed
         *     * `unknown` - The endpoint has no such message, or has not handed it out
         * @enum {string}
         */
        MessageReportResult: "acknowledged" | "failed" | "extended" | "too_late" | "ended" | "unknown";
        /** @description The messages that a consumer is handed out. */
        Messages: {
            /** @description Position behind these messages: the `after` of the next request of this consumer. */
            cursor: string;
            /**
             * @description State of the endpoint; nothing is handed out unless it is active.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `disabled` - Disabled
             *     * `unverified` - Unverified
             */
            endpoint_state: components["schemas"]["EndpointState"];
            /** @description The messages, oldest first; empty if there were none in time. */
            messages: components["schemas"]["Message"][];
        };
        /** @description The response to one outcome. */
        OutcomeResponse: {
            /** @description Body; empty by default. */
            body?: string;
            /** @description Content type of the body. */
            content_type?: string;
            /** @description Status. */
            status?: number;
        };
        /** @description An alert that the rule would have raised. */
        PastAlert: {
            /**
             * Format: date-time
             * @description Begin of the first hour.
             */
            begins_at: string;
            /**
             * Format: date-time
             * @description End of the last hour.
             */
            ends_at: string;
            /** @description Id or name of the subject. */
            subject: string;
            /** @description The subject for people. */
            subject_name: string;
        };
        /** @description A field of an event that does not match a pattern. */
        PatternMismatch: {
            /** @description What the pattern allows there: values and conditions. */
            expected: unknown[];
            /** @description Values of the event there; empty if the field is missing. */
            found: unknown[];
            /** @description Path of the field, with dots: `data.total`; empty: the whole event. */
            path: string;
            /** @description Why they do not match, in words. */
            reason: string;
        };
        /** @description The limits of the tenants that are on the plan. A limit that is null does not apply. */
        Plan: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Types of endpoints that a tenant may create, such as `http` and `sqs`; null: all of them. */
            endpoint_types: ("http" | "sqs" | "sns" | "eventbridge" | "lambda" | "kinesis" | "s3" | "pubsub" | "azure_service_bus" | "azure_event_grid" | "cloudflare_queue" | "redis_stream" | "postgres" | "kafka" | "amqp" | "nats" | "email" | "poll")[] | null;
            /**
             * Format: int64
             * @description Events accepted in a calendar month (UTC); empty: no limit.
             */
            events_per_month: number | null;
            /** @description Id, beginning with `pln_`. */
            id: string;
            /** @description Whether this plan applies to tenants without a plan. */
            is_default: boolean;
            /** @description Number of endpoints that a tenant may have; empty: no limit. */
            max_endpoints: number | null;
            /** @description Size of one published event in bytes; empty: only the limit of the platform. */
            max_event_bytes: number | null;
            /** @description Longest retention that a tenant may choose, in days; empty: no limit. */
            max_retention_days: number | null;
            /** @description Number of schedules that a tenant may have; empty: no limit. */
            max_schedules: number | null;
            /** @description Number of sources that a tenant may have; empty: no limit. */
            max_sources: number | null;
            /** @description Bytes of the patterns and transformers of all subscriptions of a tenant, and 512 for each event type that one names; empty: no limit. */
            max_subscription_bytes: number | null;
            /** @description Number of subscriptions that a tenant may have; empty: no limit. */
            max_subscriptions: number | null;
            /** @description Shortest time between two occurrences of a schedule, in seconds; empty: no limit. */
            min_schedule_interval_seconds: number | null;
            /** @description Name shown in lists. */
            name: string;
            /** @description Events per second; those of one second may arrive at once. Empty: no limit. */
            publish_rate: number | null;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string | null;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
        };
        /** @description A page of Plan objects. */
        PlanPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Plan"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The limits of the tenants that are on the plan. A limit that is null does not apply. */
        PlanRequest: {
            /** @description Types of endpoints that a tenant may create, such as `http` and `sqs`; null: all of them. */
            endpoint_types?: ("http" | "sqs" | "sns" | "eventbridge" | "lambda" | "kinesis" | "s3" | "pubsub" | "azure_service_bus" | "azure_event_grid" | "cloudflare_queue" | "redis_stream" | "postgres" | "kafka" | "amqp" | "nats" | "email" | "poll")[] | null;
            /**
             * Format: int64
             * @description Events accepted in a calendar month (UTC); empty: no limit.
             */
            events_per_month?: number | null;
            /**
             * @description Whether this plan applies to tenants without a plan.
             * @default false
             */
            is_default: boolean;
            /**
             * @description Number of endpoints that a tenant may have; empty: no limit.
             * @default 10000
             */
            max_endpoints: number | null;
            /** @description Size of one published event in bytes; empty: only the limit of the platform. */
            max_event_bytes?: number | null;
            /** @description Longest retention that a tenant may choose, in days; empty: no limit. */
            max_retention_days?: number | null;
            /**
             * @description Number of schedules that a tenant may have; empty: no limit.
             * @default 10000
             */
            max_schedules: number | null;
            /**
             * @description Number of sources that a tenant may have; empty: no limit.
             * @default 1000
             */
            max_sources: number | null;
            /**
             * @description Bytes of the patterns and transformers of all subscriptions of a tenant, and 512 for each event type that one names; empty: no limit.
             * @default 33554432
             */
            max_subscription_bytes: number | null;
            /**
             * @description Number of subscriptions that a tenant may have; empty: no limit.
             * @default 10000
             */
            max_subscriptions: number | null;
            /** @description Shortest time between two occurrences of a schedule, in seconds; empty: no limit. */
            min_schedule_interval_seconds?: number | null;
            /** @description Name shown in lists. */
            name: string;
            /** @description Events per second; those of one second may arrive at once. Empty: no limit. */
            publish_rate?: number | null;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /** @description The limits of the tenants that are on the plan. A limit that is null does not apply. */
        PlanUpdateRequest: {
            /** @description Types of endpoints that a tenant may create, such as `http` and `sqs`; null: all of them. */
            endpoint_types?: ("http" | "sqs" | "sns" | "eventbridge" | "lambda" | "kinesis" | "s3" | "pubsub" | "azure_service_bus" | "azure_event_grid" | "cloudflare_queue" | "redis_stream" | "postgres" | "kafka" | "amqp" | "nats" | "email" | "poll")[] | null;
            /**
             * Format: int64
             * @description Events accepted in a calendar month (UTC); empty: no limit.
             */
            events_per_month?: number | null;
            /** @description Whether this plan applies to tenants without a plan. */
            is_default?: boolean;
            /** @description Number of endpoints that a tenant may have; empty: no limit. */
            max_endpoints?: number | null;
            /** @description Size of one published event in bytes; empty: only the limit of the platform. */
            max_event_bytes?: number | null;
            /** @description Longest retention that a tenant may choose, in days; empty: no limit. */
            max_retention_days?: number | null;
            /** @description Number of schedules that a tenant may have; empty: no limit. */
            max_schedules?: number | null;
            /** @description Number of sources that a tenant may have; empty: no limit. */
            max_sources?: number | null;
            /** @description Bytes of the patterns and transformers of all subscriptions of a tenant, and 512 for each event type that one names; empty: no limit. */
            max_subscription_bytes?: number | null;
            /** @description Number of subscriptions that a tenant may have; empty: no limit. */
            max_subscriptions?: number | null;
            /** @description Shortest time between two occurrences of a schedule, in seconds; empty: no limit. */
            min_schedule_interval_seconds?: number | null;
            /** @description Name shown in lists. */
            name?: string;
            /** @description Events per second; those of one second may arrive at once. Empty: no limit. */
            publish_rate?: number | null;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /**
         * @description * `no` - There is capacity to spare
         *     * `soon` - More capacity is needed soon
         *     * `add_capacity` - More capacity is needed now
         * @enum {string}
         */
        PlatformBusy: "no" | "soon" | "add_capacity";
        /**
         * @description * `nothing` - Nothing is exhausted
         *     * `no_drains` - Deliveries are due, and no drain is running
         *     * `database` - The drains wait for the database most of the time
         *     * `machine` - The processors of a machine are in use
         *     * `drains` - The drains are busy, and the machines have processors to spare
         *     * `places` - The drains have as many attempts in flight as they can
         *     * `web` - A web process uses all of a processor
         * @enum {string}
         */
        PlatformBusyBecause: "nothing" | "no_drains" | "database" | "machine" | "drains" | "places" | "web";
        /**
         * @description * `view` - Look at everything
         *     * `manage` - Manage
         *     * `replay` - Replay
         *     * `secrets` - Secrets
         *     * `payloads` - Payloads
         * @enum {string}
         */
        PortalCapability: "view" | "manage" | "replay" | "secrets" | "payloads";
        /**
         * @description * `system` - System
         *     * `humanist` - Humanist
         *     * `geometric` - Geometric
         *     * `serif` - Serif
         *     * `rounded` - Rounded
         *     * `monospace` - Monospace
         * @enum {string}
         */
        PortalFont: "system" | "humanist" | "geometric" | "serif" | "rounded" | "monospace";
        /**
         * @description * `en` - English
         *     * `de` - German
         * @enum {string}
         */
        PortalLanguage: "en" | "de";
        /** @description A one-time link to the portal of a tenant, without its URL, and the session that it opened. */
        PortalLink: {
            /** @description What the session allows: `view` (look at everything but payloads), `manage` (create, change, test and delete endpoints, schedules and alerts), `replay` (resend and replay), `secrets` (create and see new signing secrets and API keys), `payloads` (see data of events, requests and responses). Name at least one. */
            capabilities: components["schemas"]["PortalCapability"][];
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description First characters and name of the key that created it. */
            created_by: string;
            /** @description The only endpoint that the session shows: id or `uid`; returned as the id. Null: all of the tenant. */
            endpoint: string | null;
            /**
             * Format: date-time
             * @description When the link can no longer be opened.
             */
            expires_at: string;
            /** @description Id, beginning with `plk_`. */
            id: string;
            /**
             * @description Language of the pages. Null: as the browser prefers.
             *
             *     * `en` - English
             *     * `de` - German
             */
            language: components["schemas"]["PortalLanguage"] | null;
            /**
             * Format: date-time
             * @description When the session was last used, to the minute.
             */
            last_used_at: string | null;
            /**
             * Format: date-time
             * @description When the link was opened; null: it was not.
             */
            opened_at: string | null;
            /** @description IP address that opened it. */
            opened_from: string;
            /** @description Page of your own that the portal leads back to. Empty: none. */
            return_url: string;
            /**
             * Format: date-time
             * @description When link and session were revoked; null: they were not.
             */
            revoked_at: string | null;
            /**
             * Format: date-time
             * @description When the session ends; null: there is none yet.
             */
            session_expires_at: string | null;
            /**
             * @description Seconds that the session lasts, from the moment the link is opened. Default: 3,600; at most 7 days.
             * @default 3600
             */
            session_seconds: number;
            /** @description Id of the tenant it belongs to. */
            tenant: string;
            /** @description How the pages look. */
            theme: components["schemas"]["PortalTheme"];
            /** @description Who the link is for, as activities name it: an id or an e-mail address. */
            user: string;
        };
        /** @description A new portal link. */
        PortalLinkCreateRequest: {
            /** @description What the session allows: `view` (look at everything but payloads), `manage` (create, change, test and delete endpoints, schedules and alerts), `replay` (resend and replay), `secrets` (create and see new signing secrets and API keys), `payloads` (see data of events, requests and responses). Name at least one. */
            capabilities: components["schemas"]["PortalCapability"][];
            /** @description The only endpoint that the session shows: id or `uid`; returned as the id. Null: all of the tenant. */
            endpoint?: string | null;
            /**
             * @description Seconds in which the link can be opened. Default: 300; at most 7 days.
             * @default 300
             */
            expires_in: number;
            /**
             * @description Language of the pages. Null: as the browser prefers.
             *
             *     * `en` - English
             *     * `de` - German
             */
            language?: components["schemas"]["PortalLanguage"] | null;
            /** @description Page of your own that the portal leads back to. Empty: none. */
            return_url?: string;
            /**
             * @description Seconds that the session lasts, from the moment the link is opened. Default: 3,600; at most 7 days.
             * @default 3600
             */
            session_seconds: number;
            /** @description How the pages look. */
            theme?: components["schemas"]["PortalThemeRequest"];
            /** @description Who the link is for, as activities name it: an id or an e-mail address. */
            user?: string;
        };
        /** @description A page of PortalLink objects. */
        PortalLinkPage: {
            /** @description Items of this page. */
            data: components["schemas"]["PortalLink"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A new portal link with its URL, which is not shown again. */
        PortalLinkWithUrl: {
            /** @description What the session allows: `view` (look at everything but payloads), `manage` (create, change, test and delete endpoints, schedules and alerts), `replay` (resend and replay), `secrets` (create and see new signing secrets and API keys), `payloads` (see data of events, requests and responses). Name at least one. */
            capabilities: components["schemas"]["PortalCapability"][];
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description First characters and name of the key that created it. */
            created_by: string;
            /** @description The only endpoint that the session shows: id or `uid`; returned as the id. Null: all of the tenant. */
            endpoint: string | null;
            /**
             * Format: date-time
             * @description When the link can no longer be opened.
             */
            expires_at: string;
            /** @description Id, beginning with `plk_`. */
            id: string;
            /**
             * @description Language of the pages. Null: as the browser prefers.
             *
             *     * `en` - English
             *     * `de` - German
             */
            language: components["schemas"]["PortalLanguage"] | null;
            /**
             * Format: date-time
             * @description When the session was last used, to the minute.
             */
            last_used_at: string | null;
            /**
             * Format: date-time
             * @description When the link was opened; null: it was not.
             */
            opened_at: string | null;
            /** @description IP address that opened it. */
            opened_from: string;
            /** @description Page of your own that the portal leads back to. Empty: none. */
            return_url: string;
            /**
             * Format: date-time
             * @description When link and session were revoked; null: they were not.
             */
            revoked_at: string | null;
            /**
             * Format: date-time
             * @description When the session ends; null: there is none yet.
             */
            session_expires_at: string | null;
            /**
             * @description Seconds that the session lasts, from the moment the link is opened. Default: 3,600; at most 7 days.
             * @default 3600
             */
            session_seconds: number;
            /** @description Id of the tenant it belongs to. */
            tenant: string;
            /** @description How the pages look. */
            theme: components["schemas"]["PortalTheme"];
            /** @description Address to send the user's browser to, once. It is not shown again. */
            url: string;
            /** @description Who the link is for, as activities name it: an id or an e-mail address. */
            user: string;
        };
        /**
         * @description * `auto` - Auto
         *     * `light` - Light
         *     * `dark` - Dark
         * @enum {string}
         */
        PortalMode: "auto" | "light" | "dark";
        /** @description How the pages of a portal look. */
        PortalTheme: {
            /** @description Colour of buttons and links, `#rrggbb`. Links are darkened or lightened until they can be read. */
            accent?: string;
            /** @description Background of the pages in light mode. Default: `#ffffff`. */
            background?: string;
            /** @description Background of the pages in dark mode. Default: `#12161d`. */
            background_dark?: string;
            /**
             * @description Kind of font, of those that the reader's machine has. Default: `system`.
             *
             *     * `system` - System
             *     * `humanist` - Humanist
             *     * `geometric` - Geometric
             *     * `serif` - Serif
             *     * `rounded` - Rounded
             *     * `monospace` - Monospace
             */
            font?: components["schemas"]["PortalFont"];
            /** @description Picture beside the name, shown 32 pixels high. `https` only. */
            logo_url?: string;
            /**
             * @description Light or dark pages; `auto`: as the reader's machine says. Default: `auto`.
             *
             *     * `auto` - Auto
             *     * `light` - Light
             *     * `dark` - Dark
             */
            mode?: components["schemas"]["PortalMode"];
            /** @description Name at the top of the pages, such as that of your product. */
            name?: string;
        };
        /** @description How the pages of a portal look. */
        PortalThemeRequest: {
            /** @description Colour of buttons and links, `#rrggbb`. Links are darkened or lightened until they can be read. */
            accent?: string;
            /** @description Background of the pages in light mode. Default: `#ffffff`. */
            background?: string;
            /** @description Background of the pages in dark mode. Default: `#12161d`. */
            background_dark?: string;
            /**
             * @description Kind of font, of those that the reader's machine has. Default: `system`.
             *
             *     * `system` - System
             *     * `humanist` - Humanist
             *     * `geometric` - Geometric
             *     * `serif` - Serif
             *     * `rounded` - Rounded
             *     * `monospace` - Monospace
             */
            font?: components["schemas"]["PortalFont"];
            /** @description Picture beside the name, shown 32 pixels high. `https` only. */
            logo_url?: string;
            /**
             * @description Light or dark pages; `auto`: as the reader's machine says. Default: `auto`.
             *
             *     * `auto` - Auto
             *     * `light` - Light
             *     * `dark` - Dark
             */
            mode?: components["schemas"]["PortalMode"];
            /** @description Name at the top of the pages, such as that of your product. */
            name?: string;
        };
        /** @description Problem details (RFC 9457). */
        Problem: {
            /** @description What the plan allows. */
            allowed?: number;
            /**
             * @description Kind of problem, for programs: the same on every platform. `invalid`: invalid request. `parse_error`: unreadable request. `malformed_request`: malformed request. `not_authenticated`: no api key. `authentication_failed`: invalid api key. `plan_exceeded`: limit of the plan reached. `permission_denied`: not allowed. `insufficient_scope`: missing scope. `platform_key_required`: platform key required. `endpoint_key_refused`: key of one endpoint. `sender_refused`: sender not allowed. `not_found`: not found. `unknown_tenant`: unknown tenant. `method_not_allowed`: method not allowed. `not_acceptable`: media type not available. `too_slow`: request too slow. `conflict`: conflict. `gone`: no longer kept. `length_required`: length required. `stale`: changed meanwhile. `too_large`: too large. `uri_too_long`: uri too long. `unsupported_media_type`: media type not supported. `idempotency_key_reused`: idempotency-key used before. `headers_too_large`: headers too large. `rate_limited`: too many requests. `throttled`: too many requests. `too_many_expensive_requests`: too many expensive requests. `error`: internal error. `transfer_coding_unsupported`: transfer coding not supported. `unavailable`: unavailable. `statement_timeout`: takes too long. `too_many_requests_in_progress`: too many requests in progress. `too_many_connections`: too many connections. `message_incomplete`: incomplete message. `signature_invalid`: signature not valid.
             * @example invalid
             */
            code: string;
            /** @description What is wrong with this request. */
            detail: string;
            /** @description One entry per invalid field (400, 409). */
            errors?: components["schemas"]["FieldError"][];
            /** @description The limit that is reached (402, 413, 429, 503). */
            limit?: string;
            /**
             * Format: date-time
             * @description When the limit resets; null: never.
             */
            resets_at?: string | null;
            /**
             * @description The scope that the API key lacks (403).
             * @enum {string}
             */
            scope?: "publish" | "manage" | "read" | "consume";
            /** @description The HTTP status. */
            status: number;
            /** @description Short summary of the kind of problem. */
            title: string;
            /**
             * Format: uri
             * @description URL of the page about this kind of problem: its cause and its remedy.
             * @example https://webhooks.example.com/problems/invalid/
             */
            type: string;
            /** @description What the tenant has used. */
            used?: number;
        };
        /** @description Either `AcceptedEvent` or `RejectedEvent`. */
        PublishBatchItem: components["schemas"]["AcceptedEvent"] | components["schemas"]["RejectedEvent"];
        /**
         * @description * `accepted` - The event and its deliveries are on disk
         *     * `rejected` - See `error`
         * @enum {string}
         */
        PublishBatchItemStatus: "accepted" | "rejected";
        /** @description The results of publishing a batch, one for each event. */
        PublishBatchResult: {
            /** @description Events accepted, including duplicates. */
            accepted: number;
            /** @description One result for each event, in the order of the batch. */
            data: components["schemas"]["PublishBatchItem"][];
            /** @description Events rejected. */
            rejected: number;
        };
        /** @description A web process that published events lately. */
        Publisher: {
            /**
             * Format: double
             * @description Processors that the process uses: it can use one.
             */
            cpu: number;
            /** @description Host name of the machine or container. */
            machine: string;
            /**
             * Format: double
             * @description Part of the machine's processors in use by any process, from 0 to 1.
             */
            machine_cpu: number;
            /** @description Id of the process. */
            pid: number;
            /**
             * Format: date-time
             * @description When it reported these figures.
             */
            reported_at: string;
            /**
             * Format: double
             * @description publishing requests per second.
             */
            requests_per_second: number;
            /** @description Most requests that waited at once for the next shared commit. */
            waiting_for_commit: number;
        };
        /** @description The result of publishing one event. */
        PublishResult: {
            /** @description Deliveries of the event: one for each endpoint that receives it; of a duplicate, the first. 0 while routing is `deferred` or `scheduled`. */
            deliveries: number;
            /** @description Whether an event with this source and id was accepted before. Nothing is sent again. */
            duplicate: boolean;
            /** @description The CloudEvent's own id (`id` of the event that is sent), which you chose or we did. Accepted in paths and filters in place of `id`. */
            event_id: string;
            /** @description Id of the event in this API; of a duplicate, the id of the first. */
            id: string;
            /**
             * @description `routed`: the deliveries of the event are created. `deferred`: the event is accepted, and a worker creates its deliveries, because doing so at once would exceed a limit of publishing. `scheduled`: they are created at `deliver_at`. `cancelled`: it was cancelled before that.
             *
             *     * `routed` - Routed: its deliveries are created
             *     * `deferred` - Deferred: a worker creates its deliveries
             *     * `scheduled` - Scheduled: its deliveries are created at deliver_at
             *     * `cancelled` - Cancelled before deliver_at: it has no deliveries
             */
            routing: components["schemas"]["EventRouting"];
            /** @description Source of the CloudEvent. */
            source: string;
            /** @description What is wrong and was tolerated; absent if there is nothing. */
            warnings?: components["schemas"]["SchemaWarning"][];
        };
        /** @description A message that was received and stored, with the progress of its handlers. */
        Receipt: {
            /** @description Runs of the handlers so far. */
            attempts: number;
            /**
             * @description Why it was given up; null in any other state.
             *
             *     * `exhausted` - Retries exhausted
             *     * `handler_gave_up` - A handler raised GiveUp
             *     * `crashed_worker` - Crashed its worker repeatedly
             *     * `unreadable_body` - Its body is not what a handler reads it as
             *     * `tenant_deleted` - Its tenant was deleted
             */
            cause: components["schemas"]["ReceiptCause"] | null;
            /** @description Content type of the request. */
            content_type: string;
            /**
             * Format: date-time
             * @description When it was given up.
             */
            dead_at: string | null;
            /**
             * Format: date-time
             * @description When the handlers run next; empty: they have finished.
             */
            due_at: string | null;
            /** @description Event type; empty if the message has none. */
            event_type: string;
            /** @description Names of the handlers that ran; null: none yet. */
            handled_by: string[] | null;
            /** @description Request headers; credentials are removed. */
            headers: unknown;
            /** @description Id, beginning with `rcp_`. */
            id: string;
            /** @description Error of the last failed run. */
            last_error: string;
            /** @description The sender's id of the message; without one the receipt's own id, or, if the source deduplicates by content, the SHA-256 of the body. */
            message_id: string;
            /** @description Receipts of one key are handled in order. */
            order_key: string;
            /** @description A later message of the same order key was handled before. */
            out_of_order: boolean;
            /**
             * Format: date-time
             * @description When the handlers succeeded.
             */
            processed_at: string | null;
            /**
             * Format: date-time
             * @description When the message was received.
             */
            received_at: string;
            /** @description Id of the secret that verified the message; null: the scheme has none. */
            secret: string | null;
            /** @description Name of that secret, such as `live`; empty: it has none, or was revoked. */
            secret_name: string;
            /** @description SHA-256 of the body, hexadecimal. */
            sha256: string;
            /** @description Size of the body in bytes. */
            size: number;
            /** @description Not handled, because it was out of order. */
            skipped: boolean;
            /** @description Id of the source that received it. */
            source: string;
            /** @description `pending`: handlers are still to run; `processed`: they succeeded; `dead`: given up. */
            state: string;
            /** @description Whether it was processed and matched no handler, although its source has handlers. */
            unhandled: boolean;
        };
        /** @description One run of the handlers of a receipt. */
        ReceiptAttempt: {
            /**
             * Format: date-time
             * @description When it ended.
             */
            ended_at: string;
            /** @description Handler and error; empty if none failed. */
            error: string;
            /** @description Number of the run, from 1; a run that asked for another time (`retry_later`) uses none. A replay starts again from 1. */
            number: number;
            /**
             * @description How it ended: `failed` runs are repeated by the retry plan, `dead` is the last one. `retry_later`: a handler asked for another time. `skipped`: the message was out of order.
             *
             *     * `processed` - processed
             *     * `skipped` - skipped
             *     * `failed` - failed
             *     * `retry_later` - retry_later
             *     * `dead` - dead
             */
            outcome: components["schemas"]["ReceiptAttemptOutcome"];
            /** @description What each step did, if a handler of the source has steps; else empty. */
            steps: components["schemas"]["ReceiptStep"][];
            /** @description End of the traceback, up to 8,000 characters; empty without. */
            traceback: string;
        };
        /**
         * @description * `processed` - processed
         *     * `skipped` - skipped
         *     * `failed` - failed
         *     * `retry_later` - retry_later
         *     * `dead` - dead
         * @enum {string}
         */
        ReceiptAttemptOutcome: "processed" | "skipped" | "failed" | "retry_later" | "dead";
        /** @description The latest runs of the handlers of a receipt. */
        ReceiptAttempts: {
            /** @description Up to 20 runs, newest first. */
            data: components["schemas"]["ReceiptAttempt"][];
        };
        /**
         * @description * `exhausted` - Retries exhausted
         *     * `handler_gave_up` - A handler raised GiveUp
         *     * `crashed_worker` - Crashed its worker repeatedly
         *     * `unreadable_body` - Its body is not what a handler reads it as
         *     * `tenant_deleted` - Its tenant was deleted
         * @enum {string}
         */
        ReceiptCause: "exhausted" | "handler_gave_up" | "crashed_worker" | "unreadable_body" | "tenant_deleted";
        /** @description A page of Receipt objects. */
        ReceiptPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Receipt"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A request to run the handlers again on receipts, with its progress: `replayed` of `total` receipts. */
        ReceiptReplay: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Conditions, which are those of the list of receipts. */
            filter: unknown;
            /**
             * Format: date-time
             * @description When it finished or was cancelled.
             */
            finished_at: string | null;
            /** @description Id, beginning with `rrp_`. */
            id: string;
            /** @description Whether counting stopped at its limit: there may have been more. */
            is_lower_bound: boolean;
            /** @description Receipts made due per second, at most. */
            rate: number;
            /** @description Receipts made due so far. */
            replayed: number;
            /** @description The API key or the admin user. */
            requested_by: string;
            /**
             * @description Whether it runs, or how it ended.
             *
             *     * `running` - Running
             *     * `finished` - Finished
             *     * `cancelled` - Cancelled
             */
            state: components["schemas"]["ReplayState"];
            /** @description Receipts that matched when it was created. */
            total: number;
        };
        /** @description The receipts to replay, by a filter or `"all": true`, and the rate. */
        ReceiptReplayCreateRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Filters of the list of receipts: `source`, `state`, `event_type`, `message_id`, `cause`, `since`, `until`, `labels` and `q`, `order_key`, `out_of_order`, `unhandled`, `skipped`. The default of `state` is `dead`. Example: `{"source": "shop", "since": "2030-01-31T12:00:00Z"}`. */
            filter?: {
                [key: string]: unknown;
            };
            /**
             * @description Receipts made due per second, at most.
             * @default 100
             */
            rate: number;
        };
        /** @description A replay with what became of its receipts. */
        ReceiptReplayDetail: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Conditions, which are those of the list of receipts. */
            filter: unknown;
            /**
             * Format: date-time
             * @description When it finished or was cancelled.
             */
            finished_at: string | null;
            /** @description Id, beginning with `rrp_`. */
            id: string;
            /** @description Whether counting stopped at its limit: there may have been more. */
            is_lower_bound: boolean;
            /** @description Receipts made due per second, at most. */
            rate: number;
            /** @description What became of its receipts. One that a later replay made due again counts there. */
            receipts: components["schemas"]["ReplayedReceipts"];
            /** @description Receipts made due so far. */
            replayed: number;
            /** @description The API key or the admin user. */
            requested_by: string;
            /**
             * @description Whether it runs, or how it ended.
             *
             *     * `running` - Running
             *     * `finished` - Finished
             *     * `cancelled` - Cancelled
             */
            state: components["schemas"]["ReplayState"];
            /** @description Receipts that matched when it was created. */
            total: number;
        };
        /** @description A page of ReceiptReplay objects. */
        ReceiptReplayPage: {
            /** @description Items of this page. */
            data: components["schemas"]["ReceiptReplay"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The receipts to replay, by a filter. Without conditions `"all": true` selects all dead receipts. */
        ReceiptSelectionRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Filters of the list of receipts: `source`, `state`, `event_type`, `message_id`, `cause`, `since`, `until`, `labels` and `q`, `order_key`, `out_of_order`, `unhandled`, `skipped`. The default of `state` is `dead`. Example: `{"source": "shop", "since": "2030-01-31T12:00:00Z"}`. */
            filter?: {
                [key: string]: unknown;
            };
        };
        /** @description The result of a step of a handler for a receipt. */
        ReceiptStep: {
            /** @description In words; may be empty. */
            detail: string;
            /**
             * @description How it ended. `interrupted`: the calls of the enrichment failed too often, so none is made for a while.
             *
             *     * `opened` - opened
             *     * `matched` - matched
             *     * `not_matched` - not_matched
             *     * `answered` - answered
             *     * `failed` - failed
             *     * `interrupted` - interrupted
             *     * `transformed` - transformed
             *     * `published` - published
             */
            outcome: components["schemas"]["ReceiptStepOutcome"];
            /**
             * @description The step.
             *
             *     * `open` - open
             *     * `filter` - filter
             *     * `enrich` - enrich
             *     * `transform` - transform
             *     * `publish` - publish
             */
            step: components["schemas"]["ReceiptStepName"];
        };
        /**
         * @description * `open` - open
         *     * `filter` - filter
         *     * `enrich` - enrich
         *     * `transform` - transform
         *     * `publish` - publish
         * @enum {string}
         */
        ReceiptStepName: "open" | "filter" | "enrich" | "transform" | "publish";
        /**
         * @description * `opened` - opened
         *     * `matched` - matched
         *     * `not_matched` - not_matched
         *     * `answered` - answered
         *     * `failed` - failed
         *     * `interrupted` - interrupted
         *     * `transformed` - transformed
         *     * `published` - published
         * @enum {string}
         */
        ReceiptStepOutcome: "opened" | "matched" | "not_matched" | "answered" | "failed" | "interrupted" | "transformed" | "published";
        /** @description An event of a batch that was rejected, with the reason. */
        RejectedEvent: {
            /** @description The problem that the event alone would have: 400, 402, 409, 413 or 429. */
            error: components["schemas"]["Problem"];
            /**
             * @description Whether the event was accepted, now or before.
             *
             *     * `accepted` - The event and its deliveries are on disk
             *     * `rejected` - See `error` (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            status: "rejected";
        };
        /** @description A request to a source that was rejected. */
        Rejection: {
            /** @description The failed check in words. */
            detail: string;
            /** @description Request headers; credentials are removed. */
            headers: unknown;
            /** @description Id, beginning with `rej_`. */
            id: string;
            /**
             * Format: date-time
             * @description When that message was received.
             */
            last_valid_at: string | null;
            /** @description Id of the secret that verified the newest valid message before this request; null: none. */
            last_valid_secret: string | null;
            /** @description Code of the failed check, such as no_match. */
            reason: string;
            /**
             * Format: date-time
             * @description When the request was received.
             */
            received_at: string;
            /** @description IP address of the connection. */
            remote_address: string;
            /** @description SHA-256 of the body, if all of it was read. */
            sha256: string;
            /** @description Bytes read of the body. */
            size: number;
            /** @description Id of the source. */
            source: string;
            /** @description Rejections before this one that were counted but not stored. */
            suppressed_count: number;
        };
        /** @description A page of Rejection objects. */
        RejectionPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Rejection"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A request to send dead letters or past events again, with its progress: `replayed` of `total` deliveries. */
        Replay: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description The total is extrapolated from the first events. */
            estimated: boolean;
            /** @description Conditions: endpoint, cause, type, source, subject, since, until, ids, force. */
            filter: unknown;
            /**
             * Format: date-time
             * @description When it finished or was cancelled.
             */
            finished_at: string | null;
            /** @description Id, beginning with `rpl_`. */
            id: string;
            /** @description Deliveries re-queued per second, at most. */
            rate: number;
            /** @description Deliveries re-queued so far. */
            replayed: number;
            /** @description The API key or the admin user. */
            requested_by: string;
            /**
             * @description What it selects.
             *
             *     * `dead_letters` - Open dead letters
             *     * `events` - Past events, whatever the state of their deliveries
             *     * `missing` - Past events that have no delivery to the endpoint
             */
            scope: components["schemas"]["ReplayScope"];
            /**
             * @description Whether it runs, or how it ended.
             *
             *     * `running` - Running
             *     * `finished` - Finished
             *     * `cancelled` - Cancelled
             */
            state: components["schemas"]["ReplayState"];
            /** @description Deliveries that matched when it was created. */
            total: number;
        };
        /** @description The selection to send again, by a filter or `"all": true`, and the rate. */
        ReplayCreateRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Conditions that all have to be met. `ids`: list of up to 10,000 ids of dead letters, or in the other scopes of events (`evt_...`, or their own ids); `endpoint`: id or `uid`; `labels`: those that the endpoints have; `type`: event type, `order.*` or `*`; `since` (included) and `until` (excluded): times with an offset. For dead letters: `cause`; `state` (open, acknowledged; both without it); `attempted_since` and `attempted_until`: an attempt failed in this period, which is that of the outage, where `since` and `until` are when the last attempt had failed. For events: `source`, `subject`, and `force` (true: send to `endpoint` even if it does not subscribe). Example: `{"endpoint": "main", "since": "2030-01-31T12:00:00Z"}`. */
            filter?: {
                [key: string]: unknown;
            };
            /**
             * @description Deliveries per second, at most.
             * @default 100
             */
            rate: number;
            /**
             * @description What to select: dead letters, or past events.
             *
             *     * `dead_letters` - Open dead letters
             *     * `events` - Past events, whatever the state of their deliveries
             *     * `missing` - Past events that have no delivery to the endpoint
             * @default dead_letters
             */
            scope: components["schemas"]["ReplayScope"];
        };
        /** @description A replay with what became of its deliveries. */
        ReplayDetail: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description What became of its deliveries. One that a later replay sent again counts there. */
            deliveries: components["schemas"]["ReplayedStates"];
            /** @description The total is extrapolated from the first events. */
            estimated: boolean;
            /** @description Conditions: endpoint, cause, type, source, subject, since, until, ids, force. */
            filter: unknown;
            /**
             * Format: date-time
             * @description When it finished or was cancelled.
             */
            finished_at: string | null;
            /** @description Id, beginning with `rpl_`. */
            id: string;
            /** @description Deliveries re-queued per second, at most. */
            rate: number;
            /** @description Deliveries re-queued so far. */
            replayed: number;
            /** @description The API key or the admin user. */
            requested_by: string;
            /**
             * @description What it selects.
             *
             *     * `dead_letters` - Open dead letters
             *     * `events` - Past events, whatever the state of their deliveries
             *     * `missing` - Past events that have no delivery to the endpoint
             */
            scope: components["schemas"]["ReplayScope"];
            /**
             * @description Whether it runs, or how it ended.
             *
             *     * `running` - Running
             *     * `finished` - Finished
             *     * `cancelled` - Cancelled
             */
            state: components["schemas"]["ReplayState"];
            /** @description Deliveries that matched when it was created. */
            total: number;
            /** @description Endpoints that do not get what is sent to them now, because they are disabled, paused or not verified. */
            warnings: string[];
        };
        /** @description The receipts that a replay made due, by their state now. */
        ReplayedReceipts: {
            /** @description Given up again. */
            dead: number;
            /** @description Whether counting stopped at 100,000 receipts. */
            is_lower_bound: boolean;
            /** @description Handlers are still to run. */
            pending: number;
            /** @description Handlers have succeeded. */
            processed: number;
        };
        /** @description The deliveries that a replay re-queued, by their state now. */
        ReplayedStates: {
            /** @description Cancelled. */
            cancelled: number;
            /** @description Failed permanently again. */
            dead: number;
            /** @description Delivered. */
            delivered: number;
            /** @description Whether counting stopped at 100,000 deliveries. */
            is_lower_bound: boolean;
            /** @description Waiting for their next attempt. */
            pending: number;
            /** @description Being sent. */
            sending: number;
            /** @description Superseded by a newer delivery of their key. */
            superseded: number;
        };
        /** @description An endpoint and how many dead letters of it a replay would send, of the first 20,000. */
        ReplayEndpoint: {
            /** @description Dead letters. */
            count: number;
            /** @description Id of the endpoint. */
            endpoint: string;
        };
        /** @description A page of Replay objects. */
        ReplayPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Replay"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The number of deliveries that a replay would send. */
        ReplayPreview: {
            /** @description The 10 endpoints with the most dead letters; empty for past events. */
            endpoints: components["schemas"]["ReplayEndpoint"][];
            /** @description Whether the total is extrapolated from the first of very many events. */
            estimated: boolean;
            /** @description Whether counting stopped at its limit: there may be more. */
            is_lower_bound: boolean;
            /** @description Dead letters that match and are not sent, because their endpoints are disabled; they stay open. */
            left_out: number;
            /**
             * Format: date-time
             * @description The same of the last.
             */
            newest: string | null;
            /**
             * Format: date-time
             * @description When the first of them failed, or was published; null: nothing matches.
             */
            oldest: string | null;
            /** @description Rows that match now. */
            total: number;
            /** @description The 10 event types with the most dead letters; empty for past events. */
            types: components["schemas"]["ReplayType"][];
            /** @description Endpoints that do not get what is sent to them now, because they are disabled, paused or not verified. */
            warnings: string[];
        };
        /**
         * @description * `dead_letters` - Open dead letters
         *     * `events` - Past events, whatever the state of their deliveries
         *     * `missing` - Past events that have no delivery to the endpoint
         * @enum {string}
         */
        ReplayScope: "dead_letters" | "events" | "missing";
        /** @description The selection to send again, by a filter. Without conditions `"all": true` selects everything in the scope. */
        ReplaySelectionRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Conditions that all have to be met. `ids`: list of up to 10,000 ids of dead letters, or in the other scopes of events (`evt_...`, or their own ids); `endpoint`: id or `uid`; `labels`: those that the endpoints have; `type`: event type, `order.*` or `*`; `since` (included) and `until` (excluded): times with an offset. For dead letters: `cause`; `state` (open, acknowledged; both without it); `attempted_since` and `attempted_until`: an attempt failed in this period, which is that of the outage, where `since` and `until` are when the last attempt had failed. For events: `source`, `subject`, and `force` (true: send to `endpoint` even if it does not subscribe). Example: `{"endpoint": "main", "since": "2030-01-31T12:00:00Z"}`. */
            filter?: {
                [key: string]: unknown;
            };
            /**
             * @description What to select: dead letters, or past events.
             *
             *     * `dead_letters` - Open dead letters
             *     * `events` - Past events, whatever the state of their deliveries
             *     * `missing` - Past events that have no delivery to the endpoint
             * @default dead_letters
             */
            scope: components["schemas"]["ReplayScope"];
        };
        /**
         * @description * `running` - Running
         *     * `finished` - Finished
         *     * `cancelled` - Cancelled
         * @enum {string}
         */
        ReplayState: "running" | "finished" | "cancelled";
        /** @description An event type and how many dead letters of it a replay would send, of the first 20,000. */
        ReplayType: {
            /** @description Dead letters. */
            count: number;
            /** @description Event type. */
            type: string;
        };
        /** @description The result of a report about one message. */
        ReportResult: {
            /** @description Id of the message. */
            id: string;
            /**
             * @description What the report has changed.
             *
             *     * `acknowledged` - It is delivered, by this report or an earlier one
             *     * `failed` - The attempt has failed; the retry plan goes on
             *     * `extended` - The visibility timeout begins anew
             *     * `too_late` - Its visibility timeout was over, or another attempt has begun; nothing was changed
             *     * `ended` - It is dead, cancelled or superseded; nothing was changed
             *     * `unknown` - The endpoint has no such message, or has not handed it out
             */
            result: components["schemas"]["MessageReportResult"];
        };
        /** @description The results of the reports, in their order. */
        ReportResults: {
            /** @description One for each message. */
            results: components["schemas"]["ReportResult"][];
        };
        /** @description The request that would be sent. The signature is missing, since it is made at the time of sending. */
        RequestPreview: {
            /** @description Request body as text; null if it is not UTF-8. */
            body: string | null;
            /** @description Request body in base64 if it is not UTF-8; otherwise null. */
            body_base64: string | null;
            /** @description Request headers, by name. */
            headers: {
                [key: string]: string;
            };
        };
        /**
         * @description * `connection_closed` - connection_closed
         *     * `stream_refused` - stream_refused
         *     * `http_1_1_required` - http_1_1_required
         *     * `unauthorized` - unauthorized
         * @enum {string}
         */
        RequestRepeat: "connection_closed" | "stream_refused" | "http_1_1_required" | "unauthorized";
        /** @description A record of another system, as the source would receive it. */
        SampleRecord: {
            /** @description Start of the body as text, up to 16 KiB. */
            body: string;
            /** @description Content type; empty: none. */
            content_type: string;
            /** @description Event type that the kind gives it; empty: as the source says. */
            event_type: string;
            /** @description Headers, names in lower case. */
            headers: {
                [key: string]: unknown;
            };
            /** @description Id, made of its place in the other system: the message id of its receipt. */
            id: string;
            /** @description Order key that the kind gives it; empty: as the source says. */
            order_key: string;
            /** @description Why its content cannot be read; empty: it can. */
            problem: string;
            /** @description Size of the body in bytes. */
            size: number;
            /**
             * Format: date-time
             * @description When it was made; null: not known.
             */
            time: string | null;
        };
        /** @description An event that is published at the times of an expression. */
        Schedule: {
            /**
             * @description What becomes of the schedule after its last occurrence.
             *
             *     * `none` - Keep it as completed
             *     * `delete` - Delete it
             */
            action_after_completion: components["schemas"]["ScheduleActionAfterCompletion"];
            /**
             * @description Which occurrences are published that were missed by more than five minutes while nothing ran.
             *
             *     * `latest` - The latest one
             *     * `all` - All, in order
             *     * `none` - None
             */
            catch_up: components["schemas"]["ScheduleCatchUp"];
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description For your own use. */
            description: string;
            /**
             * Format: date-time
             * @description When that occurrence is published: later by its place in the flexible window, or by a retry.
             */
            due_at: string | null;
            /**
             * Format: date-time
             * @description No occurrence after.
             */
            end_at: string | null;
            /** @description The event in the plain form: `type`, and optionally `source`, `subject`, `data`, `extensions`. Texts in it may contain `<schedule.scheduled_at>`, `<schedule.id>` and `<schedule.occurrence>` (its number, from 1). Example: `{"type": "reminder.due", "data": {"at": "<schedule.scheduled_at>"}}`. */
            event: {
                [key: string]: unknown;
            };
            /** @description When: `at(2030-12-24T18:00:00)`, `rate(5 minutes)`, `cron(0 10 ? * MON-FRI *)` (six fields, as Amazon EventBridge Scheduler), `0 10 * * 1-5` (five fields, as a crontab) or `2030-12-24T18:00:00Z`. */
            expression: string;
            /** @description Occurrences whose event was not accepted. */
            failures: number;
            /** @description Minutes over which schedules of the same time are spread; each keeps its place. 0: on time. */
            flexible_window_minutes: number;
            /** @description Name by which lists select schedules. Up to 64 letters, digits, `.`, `_` and `-`. */
            group: string;
            /** @description Id, beginning with `sch_`. */
            id: string;
            /**
             * Format: date-time
             * @description The latest occurrence that has passed.
             */
            last_at: string | null;
            /** @description Why the event of the latest occurrence was not accepted; empty: it was. */
            last_error: string;
            /**
             * Format: date-time
             * @description The next occurrence; null: none.
             */
            next_at: string | null;
            /** @description Events that were published at occurrences. */
            occurrences: number;
            /**
             * Format: date-time
             * @description No occurrence before; a rate begins then.
             */
            start_at: string | null;
            /**
             * @description Only active schedules publish.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `completed` - Completed: there are no more occurrences
             */
            state: components["schemas"]["ScheduleState"];
            /** @description Id of the tenant it belongs to. */
            tenant: string;
            /** @description IANA time zone of the expression, such as `Europe/Berlin`. */
            timezone: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string | null;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
        };
        /**
         * @description * `none` - Keep it as completed
         *     * `delete` - Delete it
         * @enum {string}
         */
        ScheduleActionAfterCompletion: "none" | "delete";
        /**
         * @description * `latest` - The latest one
         *     * `all` - All, in order
         *     * `none` - None
         * @enum {string}
         */
        ScheduleCatchUp: "latest" | "all" | "none";
        /** @description A page of Schedule objects. */
        SchedulePage: {
            /** @description Items of this page. */
            data: components["schemas"]["Schedule"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The next occurrences of an expression. */
        SchedulePreview: {
            /** @description The next ten occurrences, or all. */
            occurrences: components["schemas"]["SchedulePreviewOccurrence"][];
            /** @description Seconds between the two closest of the next 300 occurrences; null: there is one. */
            shortest_interval_seconds: number | null;
        };
        /** @description The times to preview. */
        SchedulePreviewCreateRequest: {
            /**
             * Format: date-time
             * @description No occurrence after.
             */
            end_at?: string | null;
            /** @description Expression, as of a schedule: `cron(0 10 ? * MON-FRI *)`. */
            expression: string;
            /**
             * Format: date-time
             * @description No occurrence before; a rate begins then.
             */
            start_at?: string | null;
            /**
             * @description IANA time zone, such as `Europe/Berlin`.
             * @default UTC
             */
            timezone: string;
        };
        /** @description An occurrence. */
        SchedulePreviewOccurrence: {
            /**
             * Format: date-time
             * @description Its time in UTC.
             */
            at: string;
            /** @description Its time in the time zone, with the offset that applies then. */
            local: string;
        };
        /** @description An event that is published at the times of an expression. */
        ScheduleRequest: {
            /**
             * @description What becomes of the schedule after its last occurrence.
             *
             *     * `none` - Keep it as completed
             *     * `delete` - Delete it
             * @default none
             */
            action_after_completion: components["schemas"]["ScheduleActionAfterCompletion"];
            /**
             * @description Which occurrences are published that were missed by more than five minutes while nothing ran.
             *
             *     * `latest` - The latest one
             *     * `all` - All, in order
             *     * `none` - None
             * @default latest
             */
            catch_up: components["schemas"]["ScheduleCatchUp"];
            /**
             * @description For your own use.
             * @default
             */
            description: string;
            /**
             * Format: date-time
             * @description No occurrence after.
             */
            end_at?: string | null;
            /** @description The event in the plain form: `type`, and optionally `source`, `subject`, `data`, `extensions`. Texts in it may contain `<schedule.scheduled_at>`, `<schedule.id>` and `<schedule.occurrence>` (its number, from 1). Example: `{"type": "reminder.due", "data": {"at": "<schedule.scheduled_at>"}}`. */
            event: {
                [key: string]: unknown;
            };
            /** @description When: `at(2030-12-24T18:00:00)`, `rate(5 minutes)`, `cron(0 10 ? * MON-FRI *)` (six fields, as Amazon EventBridge Scheduler), `0 10 * * 1-5` (five fields, as a crontab) or `2030-12-24T18:00:00Z`. */
            expression: string;
            /**
             * @description Minutes over which schedules of the same time are spread; each keeps its place. 0: on time.
             * @default 0
             */
            flexible_window_minutes: number;
            /**
             * @description Name by which lists select schedules. Up to 64 letters, digits, `.`, `_` and `-`.
             * @default default
             */
            group: string;
            /**
             * Format: date-time
             * @description No occurrence before; a rate begins then.
             */
            start_at?: string | null;
            /**
             * @description Only active schedules publish.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `completed` - Completed: there are no more occurrences
             */
            state?: components["schemas"]["ScheduleState"];
            /**
             * @description IANA time zone of the expression, such as `Europe/Berlin`.
             * @default UTC
             */
            timezone: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /**
         * @description * `active` - Active
         *     * `paused` - Paused
         *     * `completed` - Completed: there are no more occurrences
         * @enum {string}
         */
        ScheduleState: "active" | "paused" | "completed";
        /** @description An event that is published at the times of an expression. */
        ScheduleUpdateRequest: {
            /**
             * @description What becomes of the schedule after its last occurrence.
             *
             *     * `none` - Keep it as completed
             *     * `delete` - Delete it
             */
            action_after_completion?: components["schemas"]["ScheduleActionAfterCompletion"];
            /**
             * @description Which occurrences are published that were missed by more than five minutes while nothing ran.
             *
             *     * `latest` - The latest one
             *     * `all` - All, in order
             *     * `none` - None
             */
            catch_up?: components["schemas"]["ScheduleCatchUp"];
            /** @description For your own use. */
            description?: string;
            /**
             * Format: date-time
             * @description No occurrence after.
             */
            end_at?: string | null;
            /** @description The event in the plain form: `type`, and optionally `source`, `subject`, `data`, `extensions`. Texts in it may contain `<schedule.scheduled_at>`, `<schedule.id>` and `<schedule.occurrence>` (its number, from 1). Example: `{"type": "reminder.due", "data": {"at": "<schedule.scheduled_at>"}}`. */
            event?: {
                [key: string]: unknown;
            };
            /** @description When: `at(2030-12-24T18:00:00)`, `rate(5 minutes)`, `cron(0 10 ? * MON-FRI *)` (six fields, as Amazon EventBridge Scheduler), `0 10 * * 1-5` (five fields, as a crontab) or `2030-12-24T18:00:00Z`. */
            expression?: string;
            /** @description Minutes over which schedules of the same time are spread; each keeps its place. 0: on time. */
            flexible_window_minutes?: number;
            /** @description Name by which lists select schedules. Up to 64 letters, digits, `.`, `_` and `-`. */
            group?: string;
            /**
             * Format: date-time
             * @description No occurrence before; a rate begins then.
             */
            start_at?: string | null;
            /**
             * @description Only active schedules publish.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             *     * `completed` - Completed: there are no more occurrences
             */
            state?: components["schemas"]["ScheduleState"];
            /** @description IANA time zone of the expression, such as `Europe/Berlin`. */
            timezone?: string;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /**
         * @description * `off` - Accept
         *     * `warn` - Accept with a warning
         *     * `enforce` - Reject
         * @enum {string}
         */
        SchemaCheckMode: "off" | "warn" | "enforce";
        /** @description Show a fault of an event that was tolerated: data that violates the schema, or a type that is unknown. */
        SchemaWarning: {
            /** @description What is wrong there. */
            detail: string;
            /** @description Place in the event, as a JSON pointer (RFC 6901): `#/data/total`, `#/type`. */
            pointer: string;
        };
        /** @description The number of rows that a selection has now, of a preview. */
        SelectionCount: {
            /** @description Whether counting stopped at its limit: there may be more. */
            is_lower_bound: boolean;
            /** @description Rows that match now. */
            total: number;
        };
        /** @description A known sender, and the settings that its sources are created with. */
        Sender: {
            /** @description Page of the sender's documentation about its webhooks. */
            docs: string;
            /** @description Fields of a source, with the values that the preset gives them. */
            fields: {
                [key: string]: unknown;
            };
            /** @description How it checks an address, in words; none if it does not. */
            handshake: string;
            /** @description The sender's own name. */
            label: string;
            /** @description Name of the sender's logo in the Simple Icons collection, or of a similar one. */
            logo: string;
            /** @description Value of `sender` when a source is created. */
            name: string;
            /** @description Fields that a source of this sender needs beside the secret. */
            needs: string[];
            /** @description What else to know; empty if there is nothing. */
            note: string;
            /** @description How its messages are verified, in words. */
            proof: string;
            /** @description What to give as `secret`; empty if there is none. */
            secret: string;
        };
        /** @description All known senders. */
        SenderList: {
            /** @description Senders by name. */
            data: components["schemas"]["Sender"][];
        };
        /** @description A request to an endpoint: as it was sent, or as it would be sent now. */
        SentRequest: {
            /** @description Request body as text; null: it is not UTF-8 (see `body_base64`), the content mode was changed, or the endpoint receives events unmasked. */
            body: string | null;
            /** @description Request body in Base64, if it is not UTF-8; else null. */
            body_base64: string | null;
            /** @description What was changed at the endpoint since, so that it is not known how it was sent: `url`, `credentials` (headers, authentication or TLS), `content_mode`, `secrets` (the signature), `settings`. Changes up to 5 seconds before the attempt are named too. `unmasked` is no change: the body is not shown, since only the endpoint is cleared for it. Empty: the request is shown exactly as it was sent. */
            changed: components["schemas"]["EndpointChange"][];
            /** @description Request headers by name. Values that may hold credentials, such as those of the endpoint's own headers, are `***`. Left out is what a change in `changed` has made unknown. */
            headers: {
                [key: string]: string;
            } | null;
            /** @description HTTP method. */
            method: string;
            /** @description Unix seconds that the signature covers, as sent in `webhook-timestamp`. */
            signed_at: number;
            /** @description URL that was called; null: the endpoint's URL was changed since. */
            url: string | null;
        };
        /**
         * @description * `text` - text
         *     * `number` - number
         *     * `boolean` - boolean
         *     * `texts` - texts
         *     * `object` - object
         * @enum {string}
         */
        SettingType: "text" | "number" | "boolean" | "texts" | "object";
        /** @description A mask that applies to an event on its way to an endpoint. */
        ShownMask: {
            /**
             * @description What is done with them.
             *
             *     * `remove` - remove
             *     * `mask` - mask
             *     * `hash` - hash
             *     * `encrypt` - encrypt
             */
            action: components["schemas"]["MaskingAction"];
            /**
             * @description Whose mask it is.
             *
             *     * `event_type` - event_type
             *     * `endpoint` - endpoint
             */
            by: components["schemas"]["MaskOwner"];
            /** @description Path of the values. */
            path: string;
        };
        /**
         * @description * `v1` - HMAC-SHA256
         *     * `v1a` - ed25519
         * @enum {string}
         */
        SigningScheme: "v1" | "v1a";
        /** @description A secret that signs the deliveries of an endpoint, without its value. */
        SigningSecret: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it stops signing; null: current secret.
             */
            expires_at: string | null;
            /** @description Id, beginning with `sec_`. */
            id: string;
            /** @description Public key that verifies `v1a` signatures, with the prefix `whpk_`; null for `v1`. */
            public_key: string | null;
            /**
             * @description Signature scheme of Standard Webhooks.
             *
             *     * `v1` - HMAC-SHA256
             *     * `v1a` - ed25519
             */
            signing: components["schemas"]["SigningScheme"];
        };
        /** @description The rotation of an endpoint's signing secret. */
        SigningSecretCreateRequest: {
            /**
             * @description Seconds for which older secrets sign beside the new one. Default: 86,400 (one day); at most 30 days. 0 ends them at once.
             * @default 86400
             */
            overlap_seconds: number;
            /** @description New secret: `whsec_` and the base64 of 24 to 64 random bytes; for `v1a` a `whsk_` private key. Default: generated. */
            secret?: string;
            /**
             * @description Signature scheme of the new secret. Default: that of the current one.
             *
             *     * `v1` - HMAC-SHA256
             *     * `v1a` - ed25519
             */
            signing?: components["schemas"]["SigningScheme"];
        };
        /** @description A page of SigningSecret objects. */
        SigningSecretPage: {
            /** @description Items of this page. */
            data: components["schemas"]["SigningSecret"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A new secret of an endpoint with what deliveries are verified with: `secret` (`v1`) or `public_key` (`v1a`). */
        SigningSecretWithValue: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it stops signing; null: current secret.
             */
            expires_at: string | null;
            /** @description Id, beginning with `sec_`. */
            id: string;
            /** @description Public key that verifies `v1a` signatures, with the prefix `whpk_`; null for `v1`. */
            public_key: string | null;
            /** @description Shared secret (`v1`). Store it now: it is not shown again. */
            secret?: string;
            /**
             * @description Signature scheme of Standard Webhooks.
             *
             *     * `v1` - HMAC-SHA256
             *     * `v1a` - ed25519
             */
            signing: components["schemas"]["SigningScheme"];
        };
        /** @description An address that receives the webhooks of one sender, and how they are verified and handled. */
        Source: {
            /** @description Networks (CIDR) or addresses that messages may come from; others get 403. Empty: all. */
            allowed_networks: string[];
            /** @description DNS names of senders that may send after an OPTIONS request (CloudEvents webhooks); "*": all. */
            allowed_origins: string[];
            /** @description Accepted media types, such as application/json or text/*; others get 415. Empty: all. */
            content_types: string[];
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * @description How repeats are found: by the message id (a message without one is never a repeat), by equal content within dedupe_window_seconds, or not at all.
             *
             *     * `id` - By the message id
             *     * `content` - By the content, within a window
             *     * `off` - Store every message
             */
            dedupe: components["schemas"]["SourceDedupe"];
            /** @description With dedupe content: seconds for which equal content counts as the same message. */
            dedupe_window_seconds: number;
            /**
             * @description Form of the body, which is opened into events for patterns of handlers and for the handler publish. auto opens what it recognizes; with a name, a message that does not have that form is dead with the reason.
             *
             *     * `none` - None: the body is the data of one event
             *     * `auto` - The one that is recognized, or none
             *     * `cloudevents` - CloudEvents
             *     * `eventbridge` - Amazon EventBridge
             *     * `sns` - Amazon SNS
             *     * `s3` - Amazon S3 event notifications
             *     * `event_grid` - Azure Event Grid
             *     * `pubsub` - Google Cloud Pub/Sub
             *     * `standard` - Standard Webhooks, Svix
             */
            envelope: components["schemas"]["SourceEnvelope"];
            /** @description Where the event type is: header:Name or body:/json/pointer; empty: as the scheme says. */
            event_type_path: string;
            /** @description Time limit of all handlers of one receipt together, in seconds. */
            handler_timeout_seconds: number;
            /** @description Handlers to run: [{"handler": name, "pattern": {...}}, ...]. */
            handlers: components["schemas"]["SourceHandler"][];
            /** @description Rules by which the sender checks the address; empty: those of the scheme. */
            handshake: {
                [key: string]: unknown;
            }[];
            /** @description Id, beginning with `src_`. */
            id: string;
            /** @description Where messages come from: `http` (senders post them), or the other system that is read; `GET /source-kinds/` lists the kinds with their settings. Cannot be changed. Default: `http`. */
            kind: string;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description Largest accepted body in bytes; a larger one gets 413.
             */
            max_bytes: number;
            /** @description Where the message id is: header:Name or body:/json/pointer; empty: as the scheme says. */
            message_id_path: string;
            /** @description Name shown in lists. */
            name: string;
            /** @description Options of the scheme: an object of strings. */
            options: {
                [key: string]: string;
            };
            /** @description Where the order key is: header:Name or body:/json/pointer. One key's receipts run in order. */
            order_key_path: string;
            /**
             * Format: uri
             * @description The URL as the sender knows it, for schemes that sign the URL; null: the URL of the request.
             */
            public_url: string | null;
            /** @description Accepted requests per minute and web process; more get 429. Empty: no limit. */
            rate_per_minute: number | null;
            /** @description How reading goes; null: a source of the kind `http`. */
            reading: components["schemas"]["SourceReading"] | null;
            /** @description Body of the response; null: the receipt's id as JSON. An empty string: no body. */
            response_body: string | null;
            /** @description Content type of response_body; empty: application/json. */
            response_content_type: string;
            /** @description Status of the response to a new message, from 200 to 599. */
            response_status: number;
            /** @description Longest wait for the handlers before the response, in seconds; after it the response is 202. */
            response_timeout_seconds: number;
            /**
             * @description When to respond: as soon as the message is stored, or after its handlers.
             *
             *     * `stored` - When the message is stored
             *     * `processed` - When its handlers have finished
             */
            response_when: components["schemas"]["SourceResponseWhen"];
            /** @description Responses to the outcomes duplicate, failed (the handlers did, or took too long), rejected (no valid signature), paused and deleted, where they differ: {outcome: {"status", "body", "content_type"}}. */
            responses: {
                [key: string]: components["schemas"]["OutcomeResponse"];
            };
            /** @description Seconds to wait after each failure. `[]`: never again, the handlers run once. Null: the default, 9 attempts in 41 h. */
            retry_plan: number[] | null;
            /** @description How the sender signs its messages, such as standard, github or stripe.. Required for sources of the kind `http`, unless `sender` gives it; the default of the others is `none`. */
            scheme: string;
            /** @description Name of a known sender (`GET /senders/`): fields that are not given have the values of its preset. Only when the source is created. */
            sender: string;
            /** @description Where a number or time is that grows from message to message: header:Name or body:/json/pointer. */
            sequence_path: string;
            /** @description Settings of the kind, as `GET /source-kinds/` lists them: what is read, and from where. A change replaces all of them. They are tried when they change. */
            settings: {
                [key: string]: unknown;
            };
            /** @description Do not handle a receipt after a later one of the same order key. */
            skip_out_of_order: boolean;
            /**
             * @description While it is `paused`, senders get 503 with Retry-After. Default: `active`.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             */
            state: components["schemas"]["SourceState"];
            /** @description Id of the tenant it belongs to; null: the operator's. */
            tenant: string | null;
            /** @description Accepted difference between a signed timestamp and the present, in seconds. */
            timestamp_tolerance_seconds: number;
            /** @description Your own id, unique among the sources of its owner, and accepted wherever the id is, except in the URL. Up to 256 letters, digits, `.`, `_` and `-`; it must not begin with `src_`. */
            uid: string | null;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
            /**
             * Format: uri
             * @description URL to give to the sender, which posts its messages there. It stays when `uid` changes. Null: a source of another kind than `http`, which is read.
             */
            url: string | null;
        };
        /** @description Counts of messages and of handler runs of a source. */
        SourceCounts: {
            /** @description Duplicates with other content than the first, which is kept; each is in the rejections. */
            conflicts: number;
            /** @description Receipts given up after their last retry. */
            dead: number;
            /** @description Messages received again under the same message id; not stored again. */
            duplicates: number;
            /** @description Failed runs of handlers, including those that were retried. */
            handler_failures: number;
            /** @description Receipts whose handlers succeeded. */
            processed: number;
            /** @description New messages, which were stored. */
            received: number;
            /** @description Requests rejected: signature, size or form. */
            rejected: number;
            /** @description Requests that got 429 or 503: over the rate limit, or while paused. */
            throttled: number;
            /** @description Of these, receipts that matched no handler, although the source has handlers. */
            unhandled: number;
        };
        /** @description Counts of the receipts of a source by their state now. */
        SourceCurrentCounts: {
            /** @description Receipts given up, which can be replayed. */
            dead: number;
            /** @description Whether there may be more than `pending` and `dead`: counting stops at 10,000. */
            is_lower_bound: boolean;
            /** @description Receipts whose handlers have not finished. */
            pending: number;
        };
        /**
         * @description * `id` - By the message id
         *     * `content` - By the content, within a window
         *     * `off` - Store every message
         * @enum {string}
         */
        SourceDedupe: "id" | "content" | "off";
        /** @description An HTTP call whose response is added to the message. */
        SourceEnrichment: {
            /** @description Template of the body; null: the event as JSON. */
            body?: string | null;
            /** @description Headers; `<credentials.token>` stands for the source's credential `token`. */
            headers?: {
                [key: string]: string;
            };
            /** @description JSONata expression of the body, in place of a template: `{"customer": body.customer, "skus": body.lines.sku}`. */
            jsonata?: string | null;
            /**
             * @description Calls in progress at once, in each worker process.
             * @default 8
             */
            max_concurrency: number;
            /**
             * @description Method; a GET has no body.
             * @default POST
             */
            method: components["schemas"]["SourceEnrichmentMethod"];
            /**
             * @description Retries within the deadline; then those of the source's `retry_plan`.
             * @default 2
             */
            retries: number;
            /**
             * @description Deadline of the call with its retries, in seconds.
             * @default 5
             */
            timeout_seconds: number;
            /** @description URL; paths such as `<$.body.id>` behind the host are filled in, encoded. */
            url: string;
        };
        /**
         * @description Method of the call.
         * @enum {string}
         */
        SourceEnrichmentMethod: "GET" | "POST" | "PUT" | "PATCH";
        /**
         * @description * `none` - None: the body is the data of one event
         *     * `auto` - The one that is recognized, or none
         *     * `cloudevents` - CloudEvents
         *     * `eventbridge` - Amazon EventBridge
         *     * `sns` - Amazon SNS
         *     * `s3` - Amazon S3 event notifications
         *     * `event_grid` - Azure Event Grid
         *     * `pubsub` - Google Cloud Pub/Sub
         *     * `standard` - Standard Webhooks, Svix
         * @enum {string}
         */
        SourceEnvelope: "none" | "auto" | "cloudevents" | "eventbridge" | "sns" | "s3" | "event_grid" | "pubsub" | "standard";
        /** @description A handler of a source, and the messages that it handles. */
        SourceHandler: {
            /** @description HTTP call that enriches the message, for the handler `publish`; null: none. */
            enrich?: components["schemas"]["SourceEnrichment"] | null;
            /** @description Name of a registered handler. */
            handler: string;
            /** @description Endpoint of the tenant, by id or `uid`, that gets an invocation record of each receipt for it that was given up; null: none. */
            on_failure?: string | null;
            /** @description Endpoint of the tenant, by id or `uid`, that gets an invocation record of each receipt that the handler processed; null: none. */
            on_success?: string | null;
            /** @description Event pattern of the messages it handles; null: all. */
            pattern?: {
                [key: string]: unknown;
            } | null;
            /** @description What is published instead, for the handler `publish`; null: the message. */
            transform?: components["schemas"]["SourceTransform"] | null;
        };
        /** @description Counts of messages and of handler runs of a source in one hour. */
        SourceHourlyCounts: {
            /**
             * Format: date-time
             * @description Start of the hour (UTC).
             */
            begins_at: string;
            /** @description Duplicates with other content than the first, which is kept; each is in the rejections. */
            conflicts: number;
            /** @description Receipts given up after their last retry. */
            dead: number;
            /** @description Messages received again under the same message id; not stored again. */
            duplicates: number;
            /** @description Failed runs of handlers, including those that were retried. */
            handler_failures: number;
            /** @description Receipts whose handlers succeeded. */
            processed: number;
            /** @description New messages, which were stored. */
            received: number;
            /** @description Requests rejected: signature, size or form. */
            rejected: number;
            /** @description Requests that got 429 or 503: over the rate limit, or while paused. */
            throttled: number;
            /** @description Of these, receipts that matched no handler, although the source has handlers. */
            unhandled: number;
        };
        /** @description A kind of sources: where messages come from. */
        SourceKind: {
            /** @description What becomes an event, and the delivery guarantee. */
            description: string;
            /** @description Extra of the installation that brings its library: `pip install waypost[kafka]`; empty: none. */
            extra: string;
            /** @description Whether its library is installed. */
            installed: boolean;
            /** @description Name of the other system. */
            label: string;
            /** @description Python modules that are not installed. */
            missing: string[];
            /** @description Value of `kind` of a source. */
            name: string;
            /** @description Whether the other system has partitions, each with a position of its own. */
            partitioned: boolean;
            /** @description Whether its sources can seek. */
            seek: boolean;
            /** @description Its settings and credentials. */
            settings: components["schemas"]["SourceSetting"][];
        };
        /** @description All kinds of sources. */
        SourceKindList: {
            /** @description Kinds; `http` is the first. */
            data: components["schemas"]["SourceKind"][];
        };
        /** @description A page of Source objects. */
        SourcePage: {
            /** @description Items of this page. */
            data: components["schemas"]["Source"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A partition of a source, or all of it where the other system has none. */
        SourcePartition: {
            /** @description The setting to correct, such as settings.topic. */
            error_setting: string;
            /**
             * Format: date-time
             * @description Time of the first of them; null: reading works.
             */
            failing_since: string | null;
            /** @description Failed attempts to read since the last success. */
            failures: number;
            /** @description Id, beginning with `par_`. */
            id: string;
            /** @description What the other system keeps for this reader, in bytes; null: not known. */
            lag_bytes: number | null;
            /** @description Records that are not read yet; null: not known. */
            lag_records: number | null;
            /**
             * Format: double
             * @description Age of the oldest of these in seconds; null: not known.
             */
            lag_seconds: number | null;
            /** @description Why reading failed last; empty: it works. */
            last_error: string;
            /**
             * Format: date-time
             * @description When it was last read, whether or not there was a record.
             */
            last_read_at: string | null;
            /**
             * Format: date-time
             * @description When the latest record was stored.
             */
            last_record_at: string | null;
            /** @description Partition or shard; empty: the whole source. */
            name: string;
            /**
             * Format: date-time
             * @description When it is read next; null: not now.
             */
            next_read_at: string | null;
            /** @description Where reading goes on, in the terms of the other system; null: at the beginning. */
            position: unknown;
            /** @description Records fetched, with those fetched again. */
            records: number;
            /** @description What endangers the source or the other system; empty: nothing. */
            warning: string;
        };
        /** @description A page of SourcePartition objects. */
        SourcePartitionPage: {
            /** @description Items of this page. */
            data: components["schemas"]["SourcePartition"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description Partitions of a source. */
        SourcePartitions: {
            /** @description The partitions, by name. */
            data: components["schemas"]["SourcePartition"][];
        };
        /** @description How reading a source from another system goes. */
        SourceReading: {
            /** @description The field to correct, such as `settings.topic`; empty: none. */
            error_setting: string;
            /** @description Number of partitions that cannot be read now. */
            failing_partitions: number;
            /**
             * Format: date-time
             * @description Since when reading fails; null: it works.
             */
            failing_since: string | null;
            /** @description What the other system keeps for this source, in bytes; null: not known. */
            lag_bytes: number | null;
            /** @description Records not read yet; null: not known. */
            lag_records: number | null;
            /**
             * Format: double
             * @description Age of the oldest record not read yet, in seconds; null: not known.
             */
            lag_seconds: number | null;
            /** @description Why it fails, in a sentence; empty: it works. */
            last_error: string;
            /**
             * Format: date-time
             * @description When the latest record was stored; null: none.
             */
            last_record_at: string | null;
            /** @description Number of partitions; 0: the other system has none. */
            partitions: number;
            /** @description Records read, with those read again. */
            records: number;
            /**
             * @description `failing`: the latest attempt to read failed; the next follows within a minute. `starting`: it was not read yet.
             *
             *     * `reading` - Is read
             *     * `paused` - Paused
             *     * `failing` - The latest attempt to read failed
             *     * `starting` - Was not read yet
             */
            state: components["schemas"]["SourceReadingState"];
            /** @description What endangers the source or the other system, in a sentence, such as a log that fills its disk; empty: nothing. */
            warning: string;
        };
        /**
         * @description * `reading` - Is read
         *     * `paused` - Paused
         *     * `failing` - The latest attempt to read failed
         *     * `starting` - Was not read yet
         * @enum {string}
         */
        SourceReadingState: "reading" | "paused" | "failing" | "starting";
        /** @description An address that receives the webhooks of one sender, and how they are verified and handled. */
        SourceRequest: {
            /** @description Networks (CIDR) or addresses that messages may come from; others get 403. Empty: all. */
            allowed_networks?: string[];
            /** @description DNS names of senders that may send after an OPTIONS request (CloudEvents webhooks); "*": all. */
            allowed_origins?: string[];
            /** @description Accepted media types, such as application/json or text/*; others get 415. Empty: all. */
            content_types?: string[];
            /** @description Credentials of the kind, such as `password`, and those that headers of enrichments name: stored encrypted, and never shown. A PATCH keeps those that it leaves out; null removes one. */
            credentials?: {
                [key: string]: unknown;
            };
            /**
             * @description How repeats are found: by the message id (a message without one is never a repeat), by equal content within dedupe_window_seconds, or not at all.
             *
             *     * `id` - By the message id
             *     * `content` - By the content, within a window
             *     * `off` - Store every message
             * @default id
             */
            dedupe: components["schemas"]["SourceDedupe"];
            /**
             * @description With dedupe content: seconds for which equal content counts as the same message.
             * @default 86400
             */
            dedupe_window_seconds: number;
            /**
             * @description Form of the body, which is opened into events for patterns of handlers and for the handler publish. auto opens what it recognizes; with a name, a message that does not have that form is dead with the reason.
             *
             *     * `none` - None: the body is the data of one event
             *     * `auto` - The one that is recognized, or none
             *     * `cloudevents` - CloudEvents
             *     * `eventbridge` - Amazon EventBridge
             *     * `sns` - Amazon SNS
             *     * `s3` - Amazon S3 event notifications
             *     * `event_grid` - Azure Event Grid
             *     * `pubsub` - Google Cloud Pub/Sub
             *     * `standard` - Standard Webhooks, Svix
             * @default auto
             */
            envelope: components["schemas"]["SourceEnvelope"];
            /** @description Where the event type is: header:Name or body:/json/pointer; empty: as the scheme says. */
            event_type_path?: string;
            /**
             * @description Time limit of all handlers of one receipt together, in seconds.
             * @default 30
             */
            handler_timeout_seconds: number;
            /** @description Handlers to run: [{"handler": name, "pattern": {...}}, ...]. */
            handlers?: components["schemas"]["SourceHandler"][];
            /** @description Rules by which the sender checks the address; empty: those of the scheme. */
            handshake?: {
                [key: string]: unknown;
            }[];
            /** @description Where messages come from: `http` (senders post them), or the other system that is read; `GET /source-kinds/` lists the kinds with their settings. Cannot be changed. Default: `http`. */
            kind?: string;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description Largest accepted body in bytes; a larger one gets 413.
             * @default 26214400
             */
            max_bytes: number;
            /** @description Where the message id is: header:Name or body:/json/pointer; empty: as the scheme says. */
            message_id_path?: string;
            /** @description Name shown in lists. */
            name?: string;
            /** @description Options of the scheme: an object of strings. */
            options?: {
                [key: string]: string;
            };
            /** @description Where the order key is: header:Name or body:/json/pointer. One key's receipts run in order. */
            order_key_path?: string;
            /**
             * Format: uri
             * @description The URL as the sender knows it, for schemes that sign the URL; null: the URL of the request.
             */
            public_url?: string | null;
            /** @description Accepted requests per minute and web process; more get 429. Empty: no limit. */
            rate_per_minute?: number | null;
            /** @description Body of the response; null: the receipt's id as JSON. An empty string: no body. */
            response_body?: string | null;
            /** @description Content type of response_body; empty: application/json. */
            response_content_type?: string;
            /**
             * @description Status of the response to a new message, from 200 to 599.
             * @default 202
             */
            response_status: number;
            /**
             * @description Longest wait for the handlers before the response, in seconds; after it the response is 202.
             * @default 10
             */
            response_timeout_seconds: number;
            /**
             * @description When to respond: as soon as the message is stored, or after its handlers.
             *
             *     * `stored` - When the message is stored
             *     * `processed` - When its handlers have finished
             * @default stored
             */
            response_when: components["schemas"]["SourceResponseWhen"];
            /** @description Responses to the outcomes duplicate, failed (the handlers did, or took too long), rejected (no valid signature), paused and deleted, where they differ: {outcome: {"status", "body", "content_type"}}. */
            responses?: {
                [key: string]: components["schemas"]["OutcomeResponse"];
            };
            /** @description Seconds to wait after each failure. `[]`: never again, the handlers run once. Null: the default, 9 attempts in 41 h. */
            retry_plan?: number[] | null;
            /** @description How the sender signs its messages, such as standard, github or stripe.. Required for sources of the kind `http`, unless `sender` gives it; the default of the others is `none`. */
            scheme?: string;
            /** @description Secret of the signature scheme, as the sender shows it; white space around it is removed. Default: generated, if the scheme is `standard`. Only when the source is created; later it is rotated. */
            secret?: string;
            /** @description Name of a known sender (`GET /senders/`): fields that are not given have the values of its preset. Only when the source is created. */
            sender?: string;
            /** @description Where a number or time is that grows from message to message: header:Name or body:/json/pointer. */
            sequence_path?: string;
            /** @description Settings of the kind, as `GET /source-kinds/` lists them: what is read, and from where. A change replaces all of them. They are tried when they change. */
            settings?: {
                [key: string]: unknown;
            };
            /**
             * @description Do not handle a receipt after a later one of the same order key.
             * @default false
             */
            skip_out_of_order: boolean;
            /** @description Store settings without trying them, for example while the other system is away. Default: `false`. */
            skip_test?: boolean;
            /**
             * @description While it is `paused`, senders get 503 with Retry-After. Default: `active`.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             */
            state?: components["schemas"]["SourceState"];
            /**
             * @description Accepted difference between a signed timestamp and the present, in seconds.
             * @default 300
             */
            timestamp_tolerance_seconds: number;
            /** @description Your own id, unique among the sources of its owner, and accepted wherever the id is, except in the URL. Up to 256 letters, digits, `.`, `_` and `-`; it must not begin with `src_`. */
            uid?: string | null;
            /** @description Token that the sender's verification request (`hub.mode`, `hub.challenge`) must have: Meta, WebSub. Null: such requests are rejected. Never shown. */
            verify_token?: string | null;
        };
        /**
         * @description * `stored` - When the message is stored
         *     * `processed` - When its handlers have finished
         * @enum {string}
         */
        SourceResponseWhen: "stored" | "processed";
        /** @description A secret that messages of a source are verified with, without its value. */
        SourceSecret: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description Last moment of use; empty: no end.
             */
            expires_at: string | null;
            /** @description Id, beginning with `sec_`. */
            id: string;
            /** @description The sender gave it in its handshake, so it can be shown to the owner. */
            is_received: boolean;
            /** @description What it is for, such as live or test; a new secret replaces only those of its name. */
            name: string;
        };
        /** @description The rotation of a source's secret. */
        SourceSecretCreateRequest: {
            /**
             * @description What the secret is for, such as `live` or `test`. It replaces only the secrets of this name; those of other names stay. Default: none.
             * @default
             */
            name: string;
            /**
             * @description Seconds for which older secrets are still accepted. Default: 86,400 (one day); at most 30 days.
             * @default 86400
             */
            overlap_seconds: number;
            /** @description New secret, as the sender shows it; white space around it is removed. Default: generated, if the scheme is `standard`. */
            secret?: string;
        };
        /** @description A page of SourceSecret objects. */
        SourceSecretPage: {
            /** @description Items of this page. */
            data: components["schemas"]["SourceSecret"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description A new secret of a source with its value, which is not shown again. */
        SourceSecretWithValue: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description Last moment of use; empty: no end.
             */
            expires_at: string | null;
            /** @description Id, beginning with `sec_`. */
            id: string;
            /** @description The sender gave it in its handshake, so it can be shown to the owner. */
            is_received: boolean;
            /** @description What it is for, such as live or test; a new secret replaces only those of its name. */
            name: string;
            /** @description Value of the secret. Store it now: it is not shown again. */
            secret: string;
        };
        /** @description Where to go on reading. */
        SourceSeekRequest: {
            /** @description Name of a partition, as in `partitions/`. Default: all of them. */
            partition?: string;
            /** @description `earliest`: the oldest record that exists. `latest`: behind the newest. Or a time, for the first record at or after it: `2030-01-31T12:00:00Z`. */
            to: string;
        };
        /** @description A setting of a kind of sources: a member of `settings` or of `credentials`. */
        SourceSetting: {
            /** @description Allowed values; empty: any. */
            choices: string[];
            /** @description Whether it is a member of `credentials`: encrypted, and never shown. */
            credential: boolean;
            /** @description Value if it is left out; null: none. */
            default: unknown;
            /** @description An example; empty: none. */
            example: string;
            /** @description What it is for. */
            help: string;
            /** @description Label of the field in a form. */
            label: string;
            /** @description Greatest value of a number; null: any. */
            maximum: number | null;
            /** @description Least value of a number; null: any. */
            minimum: number | null;
            /** @description Name of the member. */
            name: string;
            /** @description Whether another value is another place, where reading starts anew. */
            names_place: boolean;
            /** @description Whether it has to be given. */
            required: boolean;
            /**
             * @description JSON type: `text` and `texts` are a string and an array of strings, `number` an integer.
             *
             *     * `text` - text
             *     * `number` - number
             *     * `boolean` - boolean
             *     * `texts` - texts
             *     * `object` - object
             */
            type: components["schemas"]["SettingType"];
        };
        /** @description The result of a test of settings. */
        SourceSettingsTest: {
            /** @description What was found, in a sentence. */
            message: string;
            /** @description The latest record, which stays unread; null: there is none. */
            record: components["schemas"]["SampleRecord"] | null;
        };
        /**
         * @description * `active` - Active
         *     * `paused` - Paused
         * @enum {string}
         */
        SourceState: "active" | "paused";
        /** @description Statistics of a source. Hourly counts are a few seconds behind. */
        SourceStats: {
            /** @description Counts of each hour (UTC), oldest first. */
            data: components["schemas"]["SourceHourlyCounts"][];
            /** @description Pending and dead receipts now. */
            now: components["schemas"]["SourceCurrentCounts"];
            /** @description Counts of all hours together. */
            total: components["schemas"]["SourceCounts"];
        };
        /** @description The data of the published event, made from the message. */
        SourceTransform: {
            /** @description Names of paths, which the template may use as `<name>`. */
            input_paths?: {
                [key: string]: string;
            };
            /** @description JSONata expression of the data, in place of a template: `{"id": body.id, "name": enrichment.name}`. */
            jsonata?: string;
            /** @description Template of the data: `{"id": <$.body.id>, "name": <$.enrichment.name>}`. */
            template?: string;
            /** @description Type of the published event; empty: that of the message. */
            type?: string;
        };
        /** @description An address that receives the webhooks of one sender, and how they are verified and handled. */
        SourceUpdateRequest: {
            /** @description Networks (CIDR) or addresses that messages may come from; others get 403. Empty: all. */
            allowed_networks?: string[];
            /** @description DNS names of senders that may send after an OPTIONS request (CloudEvents webhooks); "*": all. */
            allowed_origins?: string[];
            /** @description Accepted media types, such as application/json or text/*; others get 415. Empty: all. */
            content_types?: string[];
            /** @description Credentials of the kind, such as `password`, and those that headers of enrichments name: stored encrypted, and never shown. A PATCH keeps those that it leaves out; null removes one. */
            credentials?: {
                [key: string]: unknown;
            };
            /**
             * @description How repeats are found: by the message id (a message without one is never a repeat), by equal content within dedupe_window_seconds, or not at all.
             *
             *     * `id` - By the message id
             *     * `content` - By the content, within a window
             *     * `off` - Store every message
             */
            dedupe?: components["schemas"]["SourceDedupe"];
            /** @description With dedupe content: seconds for which equal content counts as the same message. */
            dedupe_window_seconds?: number;
            /**
             * @description Form of the body, which is opened into events for patterns of handlers and for the handler publish. auto opens what it recognizes; with a name, a message that does not have that form is dead with the reason.
             *
             *     * `none` - None: the body is the data of one event
             *     * `auto` - The one that is recognized, or none
             *     * `cloudevents` - CloudEvents
             *     * `eventbridge` - Amazon EventBridge
             *     * `sns` - Amazon SNS
             *     * `s3` - Amazon S3 event notifications
             *     * `event_grid` - Azure Event Grid
             *     * `pubsub` - Google Cloud Pub/Sub
             *     * `standard` - Standard Webhooks, Svix
             */
            envelope?: components["schemas"]["SourceEnvelope"];
            /** @description Where the event type is: header:Name or body:/json/pointer; empty: as the scheme says. */
            event_type_path?: string;
            /** @description Time limit of all handlers of one receipt together, in seconds. */
            handler_timeout_seconds?: number;
            /** @description Handlers to run: [{"handler": name, "pattern": {...}}, ...]. */
            handlers?: components["schemas"]["SourceHandler"][];
            /** @description Rules by which the sender checks the address; empty: those of the scheme. */
            handshake?: {
                [key: string]: unknown;
            }[];
            /** @description Where messages come from: `http` (senders post them), or the other system that is read; `GET /source-kinds/` lists the kinds with their settings. Cannot be changed. Default: `http`. */
            kind?: string;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description Largest accepted body in bytes; a larger one gets 413.
             */
            max_bytes?: number;
            /** @description Where the message id is: header:Name or body:/json/pointer; empty: as the scheme says. */
            message_id_path?: string;
            /** @description Name shown in lists. */
            name?: string;
            /** @description Options of the scheme: an object of strings. */
            options?: {
                [key: string]: string;
            };
            /** @description Where the order key is: header:Name or body:/json/pointer. One key's receipts run in order. */
            order_key_path?: string;
            /**
             * Format: uri
             * @description The URL as the sender knows it, for schemes that sign the URL; null: the URL of the request.
             */
            public_url?: string | null;
            /** @description Accepted requests per minute and web process; more get 429. Empty: no limit. */
            rate_per_minute?: number | null;
            /** @description Body of the response; null: the receipt's id as JSON. An empty string: no body. */
            response_body?: string | null;
            /** @description Content type of response_body; empty: application/json. */
            response_content_type?: string;
            /** @description Status of the response to a new message, from 200 to 599. */
            response_status?: number;
            /** @description Longest wait for the handlers before the response, in seconds; after it the response is 202. */
            response_timeout_seconds?: number;
            /**
             * @description When to respond: as soon as the message is stored, or after its handlers.
             *
             *     * `stored` - When the message is stored
             *     * `processed` - When its handlers have finished
             */
            response_when?: components["schemas"]["SourceResponseWhen"];
            /** @description Responses to the outcomes duplicate, failed (the handlers did, or took too long), rejected (no valid signature), paused and deleted, where they differ: {outcome: {"status", "body", "content_type"}}. */
            responses?: {
                [key: string]: components["schemas"]["OutcomeResponse"];
            };
            /** @description Seconds to wait after each failure. `[]`: never again, the handlers run once. Null: the default, 9 attempts in 41 h. */
            retry_plan?: number[] | null;
            /** @description How the sender signs its messages, such as standard, github or stripe.. Required for sources of the kind `http`, unless `sender` gives it; the default of the others is `none`. */
            scheme?: string;
            /** @description Secret of the signature scheme, as the sender shows it; white space around it is removed. Default: generated, if the scheme is `standard`. Only when the source is created; later it is rotated. */
            secret?: string;
            /** @description Name of a known sender (`GET /senders/`): fields that are not given have the values of its preset. Only when the source is created. */
            sender?: string;
            /** @description Where a number or time is that grows from message to message: header:Name or body:/json/pointer. */
            sequence_path?: string;
            /** @description Settings of the kind, as `GET /source-kinds/` lists them: what is read, and from where. A change replaces all of them. They are tried when they change. */
            settings?: {
                [key: string]: unknown;
            };
            /** @description Do not handle a receipt after a later one of the same order key. */
            skip_out_of_order?: boolean;
            /** @description Store settings without trying them, for example while the other system is away. Default: `false`. */
            skip_test?: boolean;
            /**
             * @description While it is `paused`, senders get 503 with Retry-After. Default: `active`.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             */
            state?: components["schemas"]["SourceState"];
            /** @description Accepted difference between a signed timestamp and the present, in seconds. */
            timestamp_tolerance_seconds?: number;
            /** @description Your own id, unique among the sources of its owner, and accepted wherever the id is, except in the URL. Up to 256 letters, digits, `.`, `_` and `-`; it must not begin with `src_`. */
            uid?: string | null;
            /** @description Token that the sender's verification request (`hub.mode`, `hub.challenge`) must have: Meta, WebSub. Null: such requests are rejected. Never shown. */
            verify_token?: string | null;
        };
        /** @description A new source with its secret, which is not shown again. */
        SourceWithSecret: {
            /** @description Networks (CIDR) or addresses that messages may come from; others get 403. Empty: all. */
            allowed_networks: string[];
            /** @description DNS names of senders that may send after an OPTIONS request (CloudEvents webhooks); "*": all. */
            allowed_origins: string[];
            /** @description Accepted media types, such as application/json or text/*; others get 415. Empty: all. */
            content_types: string[];
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * @description How repeats are found: by the message id (a message without one is never a repeat), by equal content within dedupe_window_seconds, or not at all.
             *
             *     * `id` - By the message id
             *     * `content` - By the content, within a window
             *     * `off` - Store every message
             */
            dedupe: components["schemas"]["SourceDedupe"];
            /** @description With dedupe content: seconds for which equal content counts as the same message. */
            dedupe_window_seconds: number;
            /**
             * @description Form of the body, which is opened into events for patterns of handlers and for the handler publish. auto opens what it recognizes; with a name, a message that does not have that form is dead with the reason.
             *
             *     * `none` - None: the body is the data of one event
             *     * `auto` - The one that is recognized, or none
             *     * `cloudevents` - CloudEvents
             *     * `eventbridge` - Amazon EventBridge
             *     * `sns` - Amazon SNS
             *     * `s3` - Amazon S3 event notifications
             *     * `event_grid` - Azure Event Grid
             *     * `pubsub` - Google Cloud Pub/Sub
             *     * `standard` - Standard Webhooks, Svix
             */
            envelope: components["schemas"]["SourceEnvelope"];
            /** @description Where the event type is: header:Name or body:/json/pointer; empty: as the scheme says. */
            event_type_path: string;
            /** @description Time limit of all handlers of one receipt together, in seconds. */
            handler_timeout_seconds: number;
            /** @description Handlers to run: [{"handler": name, "pattern": {...}}, ...]. */
            handlers: components["schemas"]["SourceHandler"][];
            /** @description Rules by which the sender checks the address; empty: those of the scheme. */
            handshake: {
                [key: string]: unknown;
            }[];
            /** @description Id, beginning with `src_`. */
            id: string;
            /** @description Where messages come from: `http` (senders post them), or the other system that is read; `GET /source-kinds/` lists the kinds with their settings. Cannot be changed. Default: `http`. */
            kind: string;
            /** @description Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description Largest accepted body in bytes; a larger one gets 413.
             */
            max_bytes: number;
            /** @description Where the message id is: header:Name or body:/json/pointer; empty: as the scheme says. */
            message_id_path: string;
            /** @description Name shown in lists. */
            name: string;
            /** @description Options of the scheme: an object of strings. */
            options: {
                [key: string]: string;
            };
            /** @description Where the order key is: header:Name or body:/json/pointer. One key's receipts run in order. */
            order_key_path: string;
            /**
             * Format: uri
             * @description The URL as the sender knows it, for schemes that sign the URL; null: the URL of the request.
             */
            public_url: string | null;
            /** @description Accepted requests per minute and web process; more get 429. Empty: no limit. */
            rate_per_minute: number | null;
            /** @description How reading goes; null: a source of the kind `http`. */
            reading: components["schemas"]["SourceReading"] | null;
            /** @description Body of the response; null: the receipt's id as JSON. An empty string: no body. */
            response_body: string | null;
            /** @description Content type of response_body; empty: application/json. */
            response_content_type: string;
            /** @description Status of the response to a new message, from 200 to 599. */
            response_status: number;
            /** @description Longest wait for the handlers before the response, in seconds; after it the response is 202. */
            response_timeout_seconds: number;
            /**
             * @description When to respond: as soon as the message is stored, or after its handlers.
             *
             *     * `stored` - When the message is stored
             *     * `processed` - When its handlers have finished
             */
            response_when: components["schemas"]["SourceResponseWhen"];
            /** @description Responses to the outcomes duplicate, failed (the handlers did, or took too long), rejected (no valid signature), paused and deleted, where they differ: {outcome: {"status", "body", "content_type"}}. */
            responses: {
                [key: string]: components["schemas"]["OutcomeResponse"];
            };
            /** @description Seconds to wait after each failure. `[]`: never again, the handlers run once. Null: the default, 9 attempts in 41 h. */
            retry_plan: number[] | null;
            /** @description How the sender signs its messages, such as standard, github or stripe.. Required for sources of the kind `http`, unless `sender` gives it; the default of the others is `none`. */
            scheme: string;
            /** @description Secret of the signature scheme, in this response only; absent if the scheme has none. */
            secret?: string;
            /** @description Name of a known sender (`GET /senders/`): fields that are not given have the values of its preset. Only when the source is created. */
            sender: string;
            /** @description Where a number or time is that grows from message to message: header:Name or body:/json/pointer. */
            sequence_path: string;
            /** @description Settings of the kind, as `GET /source-kinds/` lists them: what is read, and from where. A change replaces all of them. They are tried when they change. */
            settings: {
                [key: string]: unknown;
            };
            /** @description Do not handle a receipt after a later one of the same order key. */
            skip_out_of_order: boolean;
            /**
             * @description While it is `paused`, senders get 503 with Retry-After. Default: `active`.
             *
             *     * `active` - Active
             *     * `paused` - Paused
             */
            state: components["schemas"]["SourceState"];
            /** @description Id of the tenant it belongs to; null: the operator's. */
            tenant: string | null;
            /** @description Accepted difference between a signed timestamp and the present, in seconds. */
            timestamp_tolerance_seconds: number;
            /** @description Your own id, unique among the sources of its owner, and accepted wherever the id is, except in the URL. Up to 256 letters, digits, `.`, `_` and `-`; it must not begin with `src_`. */
            uid: string | null;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
            /**
             * Format: uri
             * @description URL to give to the sender, which posts its messages there. It stays when `uid` changes. Null: a source of another kind than `http`, which is read.
             */
            url: string | null;
        };
        /** @description How busy the platform is, in full. */
        Status: {
            /** @description What to do about it; empty: nothing is to be done. */
            advice: string;
            /** @description What waits, and how fast it comes and goes. */
            backlog: components["schemas"]["Backlog"];
            /**
             * @description What is exhausted, or will be first.
             *
             *     * `nothing` - Nothing is exhausted
             *     * `no_drains` - Deliveries are due, and no drain is running
             *     * `database` - The drains wait for the database most of the time
             *     * `machine` - The processors of a machine are in use
             *     * `drains` - The drains are busy, and the machines have processors to spare
             *     * `places` - The drains have as many attempts in flight as they can
             *     * `web` - A web process uses all of a processor
             */
            because: components["schemas"]["PlatformBusyBecause"];
            /** @description Endpoints with a delivery that has been due for more than 5 s, counted up to 20. */
            behind_count: number;
            /**
             * @description Whether the platform needs more capacity.
             *
             *     * `no` - There is capacity to spare
             *     * `soon` - More capacity is needed soon
             *     * `add_capacity` - More capacity is needed now
             */
            busy: components["schemas"]["PlatformBusy"];
            /** @description Drains that reported within the last 20 s. */
            drain_count: number;
            /** @description Drains that reported within the last 20 s. */
            drains: components["schemas"]["Drain"][];
            /** @description Endpoints that are behind, up to 20, the worst first. */
            lanes_behind: components["schemas"]["LaneBehind"][];
            /**
             * Format: double
             * @description Part of the processors in use of the busiest machine, from 0 to 1.
             */
            machine_cpu: number;
            /**
             * Format: date-time
             * @description When it was measured.
             */
            measured_at: string;
            /** @description Web processes that published within the last 20 s. */
            publishers: components["schemas"]["Publisher"][];
            /** @description The same in words, with numbers. */
            reason: string;
            /**
             * Format: double
             * @description Part of the drains' capacity in use, from 0 to 1.
             */
            used: number;
            /**
             * @description Version of the software that responds.
             * @default 0.1.0
             */
            version: string;
            /**
             * Format: double
             * @description Part of the drains' time in which they wait for the database, from 0 to 1.
             */
            waiting_for_database: number;
        };
        /** @description The events that an endpoint receives: by type, narrowed by a pattern, rewritten by a transformer. */
        Subscription: {
            /** @description Whether events published from now on are sent. Default: true. */
            active: boolean;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Free text for people. */
            description: string;
            /** @description Endpoint that receives the events: id or `uid`; returned as the id. Null: see `endpoint_labels`. */
            endpoint: string | null;
            /** @description In place of `endpoint`: all endpoints of the tenant that have these labels, `{"env": "prod"}`, now and later; `{}`: all endpoints. Null: see `endpoint`. */
            endpoint_labels: {
                [key: string]: string;
            } | null;
            /** @description Exact types, `order.*` for all types below order, or `*` for all. At most 100. With a `pattern`, `["*"]` if left out. */
            event_types: string[];
            /** @description Grant of another tenant, whose events the subscription receives in place of those of its own tenant. Null: those of its own. */
            grant: string | null;
            /** @description Id, beginning with `sub_`. */
            id: string;
            /** @description Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. Null: every event of these types. At most 16 KiB. */
            pattern: components["schemas"]["EventPattern"] | null;
            /** @description Id of the tenant it belongs to. */
            tenant: string;
            /** @description Body to send, as `input_paths`, `texts`, `template` and `content_type`, or as `jsonata` and `content_type`; null: the whole event. At most 64 KiB. */
            transformer: components["schemas"]["EventTransformer"] | null;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string | null;
            /**
             * Format: date-time
             * @description When it was last changed.
             */
            updated_at: string;
        };
        /** @description A page of Subscription objects. */
        SubscriptionPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Subscription"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description The events that an endpoint receives: by type, narrowed by a pattern, rewritten by a transformer. */
        SubscriptionRequest: {
            /**
             * @description Whether events published from now on are sent. Default: true.
             * @default true
             */
            active: boolean;
            /** @description Free text for people. */
            description?: string;
            /** @description Endpoint that receives the events: id or `uid`; returned as the id. Null: see `endpoint_labels`. */
            endpoint?: string | null;
            /** @description In place of `endpoint`: all endpoints of the tenant that have these labels, `{"env": "prod"}`, now and later; `{}`: all endpoints. Null: see `endpoint`. */
            endpoint_labels?: {
                [key: string]: string;
            } | null;
            /** @description Exact types, `order.*` for all types below order, or `*` for all. At most 100. With a `pattern`, `["*"]` if left out. */
            event_types: string[];
            /** @description Grant of another tenant, whose events the subscription receives in place of those of its own tenant. Null: those of its own. */
            grant?: string | null;
            /** @description Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. Null: every event of these types. At most 16 KiB. */
            pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Body to send, as `input_paths`, `texts`, `template` and `content_type`, or as `jsonata` and `content_type`; null: the whole event. At most 64 KiB. */
            transformer?: components["schemas"]["EventTransformer"] | null;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /** @description The subscriptions to delete, by a filter. Without conditions `"all": true` selects every one of the tenant. */
        SubscriptionSelectionRequest: {
            /**
             * @description Whether to select everything; required as true without a filter.
             * @default false
             */
            all: boolean;
            /** @description Filters of the list of subscriptions: `endpoint`, `labels`, `active`, `event_type`. Example: `{"endpoint": "main"}`. */
            filter?: {
                [key: string]: unknown;
            };
        };
        /** @description The events that an endpoint receives: by type, narrowed by a pattern, rewritten by a transformer. */
        SubscriptionUpdateRequest: {
            /** @description Whether events published from now on are sent. Default: true. */
            active?: boolean;
            /** @description Free text for people. */
            description?: string;
            /** @description Endpoint that receives the events: id or `uid`; returned as the id. Null: see `endpoint_labels`. */
            endpoint?: string | null;
            /** @description In place of `endpoint`: all endpoints of the tenant that have these labels, `{"env": "prod"}`, now and later; `{}`: all endpoints. Null: see `endpoint`. */
            endpoint_labels?: {
                [key: string]: string;
            } | null;
            /** @description Exact types, `order.*` for all types below order, or `*` for all. At most 100. With a `pattern`, `["*"]` if left out. */
            event_types?: string[];
            /** @description Grant of another tenant, whose events the subscription receives in place of those of its own tenant. Null: those of its own. */
            grant?: string | null;
            /** @description Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. Null: every event of these types. At most 16 KiB. */
            pattern?: components["schemas"]["EventPattern"] | null;
            /** @description Body to send, as `input_paths`, `texts`, `template` and `content_type`, or as `jsonata` and `content_type`; null: the whole event. At most 64 KiB. */
            transformer?: components["schemas"]["EventTransformer"] | null;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
        };
        /** @description One of your customers, with its own endpoints, events and keys. */
        Tenant: {
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /** @description Id, beginning with `tnt_`. */
            id: string;
            /** @description Whether this is the platform's own tenant, whose endpoints receive the operational events of all tenants. At most one is. */
            is_platform: boolean;
            /** @description Names with values, by which lists and broadcasts select: `{"plan": "gold"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels: {
                [key: string]: string;
            };
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata: {
                [key: string]: unknown;
            };
            /** @description Name shown in lists. */
            name: string;
            /** @description Plan of the tenant: id or `uid`; returned as the id. Null: the default plan. */
            plan: string | null;
            /** @description Days an event and its finished deliveries are kept. */
            retention_days: number;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid: string | null;
            /**
             * @description What happens to a published event whose type is not in the catalogue; empty: as the platform says (WAYPOST_UNKNOWN_EVENT_TYPES).
             *
             *     * `accept` - Accept
             *     * `warn` - Accept with a warning
             *     * `refuse` - Reject
             */
            unknown_event_types: components["schemas"]["UnknownEventTypes"] | null;
        };
        /** @description A limit that applies to a tenant. */
        TenantLimit: {
            /** @description The limit; null: no limit. */
            allowed: number | null;
            /** @description What the limit counts, and in which unit. */
            description: string;
            /** @description Name of the limit, as problems name it: `max_endpoints`. */
            name: string;
            /**
             * Format: date-time
             * @description When the use is counted anew; null: it is not a count of a period.
             */
            resets_at: string | null;
            /**
             * @description Where the limit is set: in the tenant's `plan`, or in a `setting` of the operator.
             *
             *     * `plan` - Plan of the tenant
             *     * `setting` - Setting of the operator
             */
            set_by: components["schemas"]["LimitSetBy"];
            /** @description What is used of it now; null: nothing is counted over time. */
            used: number | null;
        };
        /** @description All limits that apply to a tenant. */
        TenantLimits: {
            /** @description Limits of the plan, then those of the operator. */
            data: components["schemas"]["TenantLimit"][];
        };
        /** @description A page of Tenant objects. */
        TenantPage: {
            /** @description Items of this page. */
            data: components["schemas"]["Tenant"][];
            /**
             * Format: uri
             * @description URL of the next page; null: this is the last.
             */
            next: string | null;
            /**
             * Format: uri
             * @description URL of the page before; null: this is the first.
             */
            previous: string | null;
        };
        /** @description One of your customers, with its own endpoints, events and keys. */
        TenantRequest: {
            /**
             * @description Whether this is the platform's own tenant, whose endpoints receive the operational events of all tenants. At most one is.
             * @default false
             */
            is_platform: boolean;
            /** @description Names with values, by which lists and broadcasts select: `{"plan": "gold"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description Name shown in lists. */
            name: string;
            /** @description Plan of the tenant: id or `uid`; returned as the id. Null: the default plan. */
            plan?: string | null;
            /**
             * @description Days an event and its finished deliveries are kept.
             * @default 90
             */
            retention_days: number;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
            /**
             * @description What happens to a published event whose type is not in the catalogue; empty: as the platform says (WAYPOST_UNKNOWN_EVENT_TYPES).
             *
             *     * `accept` - Accept
             *     * `warn` - Accept with a warning
             *     * `refuse` - Reject
             * @default null
             */
            unknown_event_types: components["schemas"]["UnknownEventTypes"] | null;
        };
        /** @description One of your customers, with its own endpoints, events and keys. */
        TenantUpdateRequest: {
            /** @description Whether this is the platform's own tenant, whose endpoints receive the operational events of all tenants. At most one is. */
            is_platform?: boolean;
            /** @description Names with values, by which lists and broadcasts select: `{"plan": "gold"}`. Up to 32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`. */
            labels?: {
                [key: string]: string;
            };
            /** @description JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description Name shown in lists. */
            name?: string;
            /** @description Plan of the tenant: id or `uid`; returned as the id. Null: the default plan. */
            plan?: string | null;
            /** @description Days an event and its finished deliveries are kept. */
            retention_days?: number;
            /** @description Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`. */
            uid?: string | null;
            /**
             * @description What happens to a published event whose type is not in the catalogue; empty: as the platform says (WAYPOST_UNKNOWN_EVENT_TYPES).
             *
             *     * `accept` - Accept
             *     * `warn` - Accept with a warning
             *     * `refuse` - Reject
             */
            unknown_event_types?: components["schemas"]["UnknownEventTypes"] | null;
        };
        /** @description The result of a test delivery: the request, the response and the timing. */
        TestDelivery: {
            /** @description Whether the endpoint responded with a success (2xx). */
            delivered: boolean;
            /** @description Class of the failure, such as `timeout`; empty if it was delivered. */
            error: string;
            /** @description What went wrong, and what to do about it; empty if `error` is empty or `status`. */
            explanation: string;
            /** @description Whether the success enabled an endpoint that was disabled because it failed. */
            re_enabled: boolean;
            /** @description Why the request was sent again, one reason for each time; as in attempts. */
            repeats: components["schemas"]["RequestRepeat"][];
            /** @description The request that was sent. */
            request: {
                /** @description Request body as text. */
                body?: string;
                /** @description Request headers, by name; credentials are masked. */
                headers?: {
                    [key: string]: string;
                };
                /** @description HTTP method, or the operation of another protocol, such as `XADD`. */
                method?: string;
                /** @description URL, or address of the destination. */
                url?: string;
            };
            /** @description The response; null: none. */
            response: {
                /** @description Beginning of the response body as text, up to 4,096 characters. */
                body?: string;
                /** @description Whether the response body was longer. */
                body_truncated?: boolean;
                /** @description Response headers, as pairs of name and value. */
                headers?: string[][];
                /** @description HTTP status. */
                status?: number;
            } | null;
            /** @description Whether it was sent; false after `dry_run`. */
            sent: boolean;
            /** @description Milliseconds from the start of the attempt to the end of each step, by the step's name. */
            timing: {
                [key: string]: number;
            };
        };
        /** @description A test delivery to send: of a published event, or of a test event that is not stored. */
        TestDeliveryCreateRequest: {
            /** @description Data of the test event, any JSON value. Default: the first example of the event type, or `{"test": true}`. */
            data?: unknown;
            /**
             * @description Show the request, without a signature, and send nothing.
             * @default false
             */
            dry_run: boolean;
            /** @description Id of a published event. Excludes `type` and `data`. */
            event?: string;
            /** @description Type of the test event. Default: `waypost.test`. */
            type?: string;
        };
        /** @description A test message to send to a source. */
        TestMessageCreateRequest: {
            /** @description Body of the message. Default: the scheme's sample. */
            body?: string;
            /** @description Event type of the message. Default: that of the scheme's sample. */
            event_type?: string;
        };
        /** @description The result of a test message. */
        TestMessageResult: {
            /** @description Request body. */
            body: string;
            /** @description Request headers, by name; credentials are removed. */
            headers: {
                [key: string]: string;
            };
            /** @description Receipt of the message; null: it was rejected. */
            receipt: components["schemas"]["Receipt"] | null;
            /** @description Rejection of the message; null: it was stored. */
            rejection: components["schemas"]["Rejection"] | null;
            /** @description Response body. */
            response: string;
            /** @description HTTP status of the response. */
            status: number;
            /** @description URL of the request. */
            url: string;
        };
        /**
         * @description * `accept` - Accept
         *     * `warn` - Accept with a warning
         *     * `refuse` - Reject
         * @enum {string}
         */
        UnknownEventTypes: "accept" | "warn" | "refuse";
        /** @description A page of the usage report, oldest first. Periods without usage have no row. */
        UsagePage: {
            /** @description Rows of this page. */
            data: components["schemas"]["UsageRow"][];
            /** @description URL of the next page; null: this is the last. */
            next: string | null;
            /** @description Always null. */
            previous: string | null;
        };
        /** @description The usage of one day or month, by tenant and event type if the report is divided by them. */
        UsageRow: {
            /**
             * Format: date
             * @description The day, or the first day of the month (UTC).
             */
            date: string;
            /** @description Deliveries created for them. */
            deliveries: number;
            /** @description Events accepted, without duplicates. */
            events: number;
            /** @description Id of the tenant; absent if rows are not divided by tenant. */
            tenant?: string;
            /** @description Event type; absent if rows are not divided by type. */
            type?: string;
        };
        /**
         * @description * `handshake` - An OPTIONS request, as the CloudEvents webhook specification describes
         *     * `event` - A signed event, whose `challenge` the endpoint returns in its response
         * @enum {string}
         */
        VerificationMethod: "handshake" | "event";
        /** @description How to verify that the endpoint wants deliveries. */
        VerificationRequest: {
            /**
             * @description Method of verification.
             *
             *     * `handshake` - An OPTIONS request, as the CloudEvents webhook specification describes
             *     * `event` - A signed event, whose `challenge` the endpoint returns in its response
             * @default handshake
             */
            by: components["schemas"]["VerificationMethod"];
            /** @description Requests per minute to ask for. Only with a handshake. Default: no limit is asked for. */
            rate?: number;
        };
        /** @description The result of a verification request. */
        VerificationResult: {
            /** @description Requests per minute that the endpoint allows; null: any number. */
            allowed_rate: number | null;
            /** @description Why the endpoint is not verified; empty if it is. */
            problem: string;
            /**
             * @description Whether the endpoint is verified; `requested`: it can still confirm by the callback.
             *
             *     * `unverified` - Unverified
             *     * `requested` - Requested
             *     * `verified` - Verified
             */
            verification: components["schemas"]["EndpointVerificationState"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description Id of the request, as the log has it; quote it in a report. */
        RequestId: string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_alert_conditions: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "description": "A source received no message for some time, though some are expected.",
                     *           "has_past": true,
                     *           "is_for_operators": false,
                     *           "label": "Source silent",
                     *           "name": "source_silent",
                     *           "settings": [
                     *             {
                     *               "default": 60,
                     *               "help_text": "Minutes without a message.",
                     *               "is_required": false,
                     *               "label": "Minutes",
                     *               "maximum": 10080,
                     *               "minimum": 1,
                     *               "name": "minutes",
                     *               "type": "number"
                     *             },
                     *             {
                     *               "default": null,
                     *               "help_text": "Id or `uid` of the only source to look at; empty: all of them.",
                     *               "is_required": false,
                     *               "label": "Source",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "source",
                     *               "type": "text"
                     *             }
                     *           ]
                     *         },
                     *         {
                     *           "description": "A source rejects many requests, as after a secret was changed on one side only.",
                     *           "has_past": true,
                     *           "is_for_operators": false,
                     *           "label": "Requests rejected",
                     *           "name": "rejections",
                     *           "settings": [
                     *             {
                     *               "default": 50,
                     *               "help_text": "Rejections that are allowed.",
                     *               "is_required": false,
                     *               "label": "Above",
                     *               "maximum": 1000000000,
                     *               "minimum": 0,
                     *               "name": "above",
                     *               "type": "number"
                     *             },
                     *             {
                     *               "default": 1,
                     *               "help_text": "Full hours to look at besides the current one.",
                     *               "is_required": false,
                     *               "label": "Hours",
                     *               "maximum": 24,
                     *               "minimum": 1,
                     *               "name": "hours",
                     *               "type": "number"
                     *             },
                     *             {
                     *               "default": null,
                     *               "help_text": "Id or `uid` of the only source to look at; empty: all of them.",
                     *               "is_required": false,
                     *               "label": "Source",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "source",
                     *               "type": "text"
                     *             }
                     *           ]
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["AlertConditionList"];
                };
            };
        };
    };
    list_alert_rules: {
        parameters: {
            query?: {
                /**
                 * @description What is watched.
                 *
                 *     * `source_silent` - Source silent
                 *     * `rejections` - Requests rejected
                 *     * `dead_receipts` - Messages given up
                 *     * `source_failing` - Source not read
                 *     * `source_lag` - Source behind
                 *     * `source_warning` - Source endangers the other system
                 *     * `source_expiring` - Secrets of sources end
                 *     * `endpoint_failing` - Endpoint fails
                 *     * `endpoint_disabled` - Endpoint disabled
                 *     * `circuit_open` - Circuit breaker open
                 *     * `dead_letters` - Dead letters
                 *     * `oldest_due` - Deliveries late
                 *     * `success_rate` - Success rate low
                 *     * `latency` - Endpoint slow
                 *     * `events_silent` - No events
                 *     * `plan_limit` - Limit of a plan
                 *     * `schedule_late` - Schedules late
                 *     * `expiring` - Certificates and keys end
                 *     * `platform_workers` - Deliveries wait for workers
                 *     * `platform_broker` - Broker away
                 *     * `platform_database` - Database slow
                 *     * `platform_disk` - Disk nearly full
                 *     * `platform_processes` - Process silent
                 */
                condition?: "source_silent" | "rejections" | "dead_receipts" | "source_failing" | "source_lag" | "source_warning" | "source_expiring" | "endpoint_failing" | "endpoint_disabled" | "circuit_open" | "dead_letters" | "oldest_due" | "success_rate" | "latency" | "events_silent" | "plan_limit" | "schedule_late" | "expiring" | "platform_workers" | "platform_broker" | "platform_database" | "platform_disk" | "platform_processes";
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Whether the rule is evaluated. */
                enabled?: boolean;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the `uid` or the name, ignoring case. */
                q?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "channels": [],
                     *           "condition": "endpoint_failing",
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "enabled": true,
                     *           "evaluated_at": "2026-05-04T12:30:00Z",
                     *           "firing": 1,
                     *           "for_minutes": 10,
                     *           "id": "alr_01m83t2ghzevcannga6my0t001",
                     *           "is_built_in": false,
                     *           "keep_minutes": 0,
                     *           "last_error": "",
                     *           "name": "An endpoint fails",
                     *           "reminder_minutes": null,
                     *           "settings": {},
                     *           "severity": "warning",
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "uid": "failing",
                     *           "updated_at": "2026-05-04T12:30:00Z"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["AlertRulePage"];
                };
            };
        };
    };
    create_alert_rule: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AlertRuleRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "channels": [],
                     *       "condition": "endpoint_failing",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "enabled": true,
                     *       "evaluated_at": null,
                     *       "firing": 0,
                     *       "for_minutes": 10,
                     *       "id": "alr_01m83t2ghzevcannga6my0t001",
                     *       "is_built_in": false,
                     *       "keep_minutes": 0,
                     *       "last_error": "",
                     *       "name": "An endpoint fails",
                     *       "reminder_minutes": null,
                     *       "settings": {},
                     *       "severity": "warning",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "uid": "failing",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
        };
    };
    get_alert_rule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert rule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "channels": [],
                     *       "condition": "endpoint_failing",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "enabled": true,
                     *       "evaluated_at": "2026-05-04T12:30:00Z",
                     *       "firing": 1,
                     *       "for_minutes": 10,
                     *       "id": "alr_01m83t2ghzevcannga6my0t001",
                     *       "is_built_in": false,
                     *       "keep_minutes": 0,
                     *       "last_error": "",
                     *       "name": "An endpoint fails",
                     *       "reminder_minutes": null,
                     *       "settings": {},
                     *       "severity": "warning",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "uid": "failing",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
        };
    };
    replace_alert_rule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert rule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "condition": "endpoint_failing",
                 *       "for_minutes": 10,
                 *       "name": "Fails too"
                 *     }
                 */
                "application/json": components["schemas"]["AlertRuleRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "channels": [],
                     *       "condition": "endpoint_failing",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "enabled": true,
                     *       "evaluated_at": "2026-05-04T12:30:00Z",
                     *       "firing": 1,
                     *       "for_minutes": 10,
                     *       "id": "alr_01m83t2ghzevcannga6my0t001",
                     *       "is_built_in": false,
                     *       "keep_minutes": 0,
                     *       "last_error": "",
                     *       "name": "Fails",
                     *       "reminder_minutes": null,
                     *       "settings": {},
                     *       "severity": "critical",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "uid": "failing",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "channels": [],
                     *       "condition": "endpoint_failing",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "enabled": true,
                     *       "evaluated_at": null,
                     *       "firing": 0,
                     *       "for_minutes": 10,
                     *       "id": "alr_01m83t2ghzevcannga6my0t003",
                     *       "is_built_in": false,
                     *       "keep_minutes": 0,
                     *       "last_error": "",
                     *       "name": "Fails too",
                     *       "reminder_minutes": null,
                     *       "settings": {},
                     *       "severity": "warning",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "uid": "also-failing",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
        };
    };
    delete_alert_rule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert rule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_alert_rule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert rule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reminder_minutes": 60
                 *     }
                 */
                "application/json": components["schemas"]["AlertRuleUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "channels": [],
                     *       "condition": "endpoint_failing",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "enabled": true,
                     *       "evaluated_at": "2026-05-04T12:30:00Z",
                     *       "firing": 1,
                     *       "for_minutes": 10,
                     *       "id": "alr_01m83t2ghzevcannga6my0t001",
                     *       "is_built_in": false,
                     *       "keep_minutes": 0,
                     *       "last_error": "",
                     *       "name": "Fails",
                     *       "reminder_minutes": 60,
                     *       "settings": {},
                     *       "severity": "critical",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "uid": "failing",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["AlertRule"];
                };
            };
        };
    };
    test_alert_rule: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert rule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "sent": 0
                     *     }
                     */
                    "application/json": components["schemas"]["AlertTest"];
                };
            };
        };
    };
    preview_alert_rule: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AlertRulePreviewCreateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "findings": [],
                     *       "past": [],
                     *       "since": "2026-05-04T12:30:00Z",
                     *       "total": 0,
                     *       "until": "2026-05-04T12:30:00Z",
                     *       "would_have_fired": 0
                     *     }
                     */
                    "application/json": components["schemas"]["AlertRulePreview"];
                };
            };
        };
    };
    list_alerts: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Id or `uid` of the rule. */
                rule?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /**
                 * @description State of the alert.
                 *
                 *     * `pending` - Pending
                 *     * `firing` - Firing
                 *     * `resolved` - Resolved
                 */
                state?: "pending" | "firing" | "resolved";
                /** @description Id or name of the subject, exact. */
                subject?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "about_tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "acknowledged_at": null,
                     *           "acknowledged_by": "",
                     *           "condition": "endpoint_failing",
                     *           "fired_at": "2026-05-04T12:30:00Z",
                     *           "id": "alt_01m83t2ghzevcannga6my0t001",
                     *           "last_true_at": "2026-05-04T12:30:00Z",
                     *           "message": "No attempt has succeeded for 12 min (5 failures in a row).",
                     *           "resolved_at": null,
                     *           "rule": "alr_01m83t2ghzevcannga6my0t001",
                     *           "rule_name": "An endpoint fails",
                     *           "severity": "warning",
                     *           "since": "2026-05-04T12:30:00Z",
                     *           "snoozed_by": "",
                     *           "snoozed_until": null,
                     *           "state": "firing",
                     *           "subject": "ep_01m83t2ghzevcannga6my0t001",
                     *           "subject_name": "watched",
                     *           "subject_type": "endpoint",
                     *           "value": 5
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["AlertPage"];
                };
            };
        };
    };
    get_alert: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "about_tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "acknowledged_at": null,
                     *       "acknowledged_by": "",
                     *       "condition": "endpoint_failing",
                     *       "fired_at": "2026-05-04T12:30:00Z",
                     *       "id": "alt_01m83t2ghzevcannga6my0t001",
                     *       "last_true_at": "2026-05-04T12:30:00Z",
                     *       "message": "No attempt has succeeded for 12 min (5 failures in a row).",
                     *       "resolved_at": null,
                     *       "rule": "alr_01m83t2ghzevcannga6my0t001",
                     *       "rule_name": "An endpoint fails",
                     *       "severity": "warning",
                     *       "since": "2026-05-04T12:30:00Z",
                     *       "snoozed_by": "",
                     *       "snoozed_until": null,
                     *       "state": "firing",
                     *       "subject": "ep_01m83t2ghzevcannga6my0t001",
                     *       "subject_name": "watched",
                     *       "subject_type": "endpoint",
                     *       "value": 5
                     *     }
                     */
                    "application/json": components["schemas"]["Alert"];
                };
            };
        };
    };
    acknowledge_alert: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "about_tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "acknowledged_at": "2026-05-04T12:30:00Z",
                     *       "acknowledged_by": "wp_c2VjcmV0…",
                     *       "condition": "endpoint_failing",
                     *       "fired_at": "2026-05-04T12:30:00Z",
                     *       "id": "alt_01m83t2ghzevcannga6my0t001",
                     *       "last_true_at": "2026-05-04T12:30:00Z",
                     *       "message": "No attempt has succeeded for 12 min (5 failures in a row).",
                     *       "resolved_at": null,
                     *       "rule": "alr_01m83t2ghzevcannga6my0t001",
                     *       "rule_name": "An endpoint fails",
                     *       "severity": "warning",
                     *       "since": "2026-05-04T12:30:00Z",
                     *       "snoozed_by": "",
                     *       "snoozed_until": null,
                     *       "state": "firing",
                     *       "subject": "ep_01m83t2ghzevcannga6my0t001",
                     *       "subject_name": "watched",
                     *       "subject_type": "endpoint",
                     *       "value": 5
                     *     }
                     */
                    "application/json": components["schemas"]["Alert"];
                };
            };
        };
    };
    snooze_alert: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the alert. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AlertSnoozeRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "about_tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "acknowledged_at": "2026-05-04T12:30:00Z",
                     *       "acknowledged_by": "wp_c2VjcmV0…",
                     *       "condition": "endpoint_failing",
                     *       "fired_at": "2026-05-04T12:30:00Z",
                     *       "id": "alt_01m83t2ghzevcannga6my0t001",
                     *       "last_true_at": "2026-05-04T12:30:00Z",
                     *       "message": "No attempt has succeeded for 12 min (5 failures in a row).",
                     *       "resolved_at": null,
                     *       "rule": "alr_01m83t2ghzevcannga6my0t001",
                     *       "rule_name": "An endpoint fails",
                     *       "severity": "warning",
                     *       "since": "2026-05-04T12:30:00Z",
                     *       "snoozed_by": "wp_c2VjcmV0…",
                     *       "snoozed_until": "2026-05-04T12:30:00Z",
                     *       "state": "firing",
                     *       "subject": "ep_01m83t2ghzevcannga6my0t001",
                     *       "subject_name": "watched",
                     *       "subject_type": "endpoint",
                     *       "value": 5
                     *     }
                     */
                    "application/json": components["schemas"]["Alert"];
                };
            };
        };
    };
    list_audit: {
        parameters: {
            query?: {
                /**
                 * @description What was done.
                 *
                 *     * `created` - Created
                 *     * `changed` - Changed
                 *     * `deleted` - Deleted
                 *     * `performed` - Performed
                 *     * `viewed` - Payload viewed
                 *     * `signed_in` - Signed in
                 *     * `sign_in_failed` - Sign-in failed
                 *     * `locked_out` - Locked out
                 */
                action?: "created" | "changed" | "deleted" | "performed" | "viewed" | "signed_in" | "sign_in_failed" | "locked_out";
                /** @description Id of the API key or the user, exact. An unknown one is an error. */
                actor?: string;
                /**
                 * @description Kind of the one who did it.
                 *
                 *     * `key` - API key
                 *     * `portal` - User of the portal
                 *     * `user` - User of the admin
                 *     * `command` - User of the machine
                 *     * `system` - The system
                 *     * `anonymous` - Not signed in
                 */
                actor_type?: "key" | "portal" | "user" | "command" | "system" | "anonymous";
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Id of the object: `ep_...`. An unknown one is an error. */
                object?: string;
                /** @description Type of the object, such as `endpoint`. */
                object_type?: string;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /**
                 * @description Where it came from.
                 *
                 *     * `api` - REST API
                 *     * `portal` - Portal
                 *     * `admin` - Admin
                 *     * `command` - Command line
                 *     * `job` - Periodic task
                 *     * `system` - The system
                 */
                origin?: "api" | "portal" | "admin" | "command" | "job" | "system";
                /** @description Text in the names of the object, the actor or the operation, ignoring case. */
                q?: string;
                /** @description Id of the request, exact. */
                request_id?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "action": "created",
                     *           "actor": {
                     *             "address": "127.0.0.1",
                     *             "id": "019d1234-5678-7abc-8def-0123456789ab",
                     *             "name": "wp_c2VjcmV0…",
                     *             "type": "key"
                     *           },
                     *           "after": {
                     *             "created_at": "2026-05-04T12:30:00Z",
                     *             "events_per_month": 100000,
                     *             "id": "019d1234-5678-7abc-8def-0123456789ab",
                     *             "is_default": false,
                     *             "max_endpoints": 10000,
                     *             "max_schedules": 10000,
                     *             "max_sources": 1000,
                     *             "max_subscription_bytes": 33554432,
                     *             "max_subscriptions": 10000,
                     *             "name": "Starter",
                     *             "publish_rate": 50,
                     *             "uid": "starter"
                     *           },
                     *           "before": null,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "id": "aud_01m83t2ghzevcannga6my0t001",
                     *           "object_id": "pln_01m83t2ghzevcannga6my0t001",
                     *           "object_name": "Starter",
                     *           "object_type": "plan",
                     *           "operation": "POST plan-list",
                     *           "origin": "api",
                     *           "part": "",
                     *           "request_id": "req_1e05a8d0f8827ae71",
                     *           "tenant": null
                     *         }
                     *       ],
                     *       "next": "https://waypost.example/api/v1/audit/?cursor=cD0yMDI2LTA1LTA0VDEyOjMwOjAwWg&limit=1",
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["AuditEntryPage"];
                };
            };
        };
    };
    get_audit: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the audit. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action": "created",
                     *       "actor": {
                     *         "address": "127.0.0.1",
                     *         "id": "019d1234-5678-7abc-8def-0123456789ab",
                     *         "name": "wp_c2VjcmV0…",
                     *         "type": "key"
                     *       },
                     *       "after": {
                     *         "created_at": "2026-05-04T12:30:00Z",
                     *         "events_per_month": 100000,
                     *         "id": "019d1234-5678-7abc-8def-0123456789ab",
                     *         "is_default": false,
                     *         "max_endpoints": 10000,
                     *         "max_schedules": 10000,
                     *         "max_sources": 1000,
                     *         "max_subscription_bytes": 33554432,
                     *         "max_subscriptions": 10000,
                     *         "name": "Starter",
                     *         "publish_rate": 50,
                     *         "uid": "starter"
                     *       },
                     *       "before": null,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "id": "aud_01m83t2ghzevcannga6my0t001",
                     *       "object_id": "pln_01m83t2ghzevcannga6my0t001",
                     *       "object_name": "Starter",
                     *       "object_type": "plan",
                     *       "operation": "POST plan-list",
                     *       "origin": "api",
                     *       "part": "",
                     *       "request_id": "req_1e05a8d0f8827ae71",
                     *       "tenant": null
                     *     }
                     */
                    "application/json": components["schemas"]["AuditEntry"];
                };
            };
        };
    };
    export_audit: {
        parameters: {
            query?: {
                /**
                 * @description What was done.
                 *
                 *     * `created` - Created
                 *     * `changed` - Changed
                 *     * `deleted` - Deleted
                 *     * `performed` - Performed
                 *     * `viewed` - Payload viewed
                 *     * `signed_in` - Signed in
                 *     * `sign_in_failed` - Sign-in failed
                 *     * `locked_out` - Locked out
                 */
                action?: "created" | "changed" | "deleted" | "performed" | "viewed" | "signed_in" | "sign_in_failed" | "locked_out";
                /** @description Id of the API key or the user, exact. An unknown one is an error. */
                actor?: string;
                /**
                 * @description Kind of the one who did it.
                 *
                 *     * `key` - API key
                 *     * `portal` - User of the portal
                 *     * `user` - User of the admin
                 *     * `command` - User of the machine
                 *     * `system` - The system
                 *     * `anonymous` - Not signed in
                 */
                actor_type?: "key" | "portal" | "user" | "command" | "system" | "anonymous";
                /** @description Id of the last entry of the export before: this one continues after it. */
                after?: string;
                /** @description Id of the object: `ep_...`. An unknown one is an error. */
                object?: string;
                /** @description Type of the object, such as `endpoint`. */
                object_type?: string;
                /**
                 * @description Where it came from.
                 *
                 *     * `api` - REST API
                 *     * `portal` - Portal
                 *     * `admin` - Admin
                 *     * `command` - Command line
                 *     * `job` - Periodic task
                 *     * `system` - The system
                 */
                origin?: "api" | "portal" | "admin" | "command" | "job" | "system";
                /** @description Text in the names of the object, the actor or the operation, ignoring case. */
                q?: string;
                /** @description Id of the request, exact. */
                request_id?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/jsonl": string;
                };
            };
        };
    };
    list_broadcasts: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /**
                 * @description State of the broadcast.
                 *
                 *     * `running` - Running
                 *     * `finished` - Finished
                 *     * `cancelled` - Cancelled
                 */
                state?: "running" | "finished" | "cancelled";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "event_id": "evt_01m83t2ghzevcannga6my0t002",
                     *           "failed": 0,
                     *           "finished_at": null,
                     *           "id": "brd_01m83t2ghzevcannga6my0t001",
                     *           "labels": {
                     *             "region": "eu"
                     *           },
                     *           "last_error": "",
                     *           "published": 0,
                     *           "rate": 100,
                     *           "requested_by": "wp_c2VjcmV0…",
                     *           "source": "urn:waypost:broadcast",
                     *           "state": "running",
                     *           "total": 1,
                     *           "type": "maintenance.planned"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["BroadcastPage"];
                };
            };
        };
    };
    create_broadcast: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "event": {
                 *         "data": {
                 *           "begins_at": "2026-05-04T12:30:00Z"
                 *         },
                 *         "type": "maintenance.planned"
                 *       },
                 *       "labels": {
                 *         "region": "eu"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["BroadcastCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "event_id": "evt_01m83t2ghzevcannga6my0t002",
                     *       "failed": 0,
                     *       "finished_at": null,
                     *       "id": "brd_01m83t2ghzevcannga6my0t001",
                     *       "labels": {
                     *         "region": "eu"
                     *       },
                     *       "last_error": "",
                     *       "published": 0,
                     *       "rate": 100,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "source": "urn:waypost:broadcast",
                     *       "state": "running",
                     *       "total": 1,
                     *       "type": "maintenance.planned"
                     *     }
                     */
                    "application/json": components["schemas"]["Broadcast"];
                };
            };
        };
    };
    get_broadcast: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the broadcast. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "event_id": "evt_01m83t2ghzevcannga6my0t002",
                     *       "failed": 0,
                     *       "finished_at": null,
                     *       "id": "brd_01m83t2ghzevcannga6my0t001",
                     *       "labels": {
                     *         "region": "eu"
                     *       },
                     *       "last_error": "",
                     *       "published": 0,
                     *       "rate": 100,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "source": "urn:waypost:broadcast",
                     *       "state": "running",
                     *       "total": 1,
                     *       "type": "maintenance.planned"
                     *     }
                     */
                    "application/json": components["schemas"]["Broadcast"];
                };
            };
        };
    };
    cancel_broadcast: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the broadcast. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "event_id": "evt_01m83t2ghzevcannga6my0t002",
                     *       "failed": 0,
                     *       "finished_at": "2026-05-04T12:30:00Z",
                     *       "id": "brd_01m83t2ghzevcannga6my0t001",
                     *       "labels": {
                     *         "region": "eu"
                     *       },
                     *       "last_error": "",
                     *       "published": 0,
                     *       "rate": 100,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "source": "urn:waypost:broadcast",
                     *       "state": "cancelled",
                     *       "total": 1,
                     *       "type": "maintenance.planned"
                     *     }
                     */
                    "application/json": components["schemas"]["Broadcast"];
                };
            };
        };
    };
    preview_broadcast: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "labels": {
                 *         "region": "eu"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["BroadcastSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "is_lower_bound": false,
                     *       "total": 1
                     *     }
                     */
                    "application/json": components["schemas"]["SelectionCount"];
                };
            };
        };
    };
    list_connectors: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "category": "chat",
                     *           "description": "Posts a message to a channel by a webhook.",
                     *           "documentation": "https://discord.com/developers/docs/resources/webhook#execute-webhook",
                     *           "label": "Discord",
                     *           "logo": "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\" width=\"40\" height=\"40\" aria-hidden=\"true\"><rect width=\"40\" height=\"40\" rx=\"9\" fill=\"#4f5b93\"/><text x=\"20\" y=\"26\" font-family=\"sans-serif\" font-size=\"18\" font-weight=\"700\" text-anchor=\"middle\" fill=\"#ffffff\">Di</text></svg>",
                     *           "name": "discord"
                     *         },
                     *         {
                     *           "category": "chat",
                     *           "description": "Posts a card to a space by an incoming webhook.",
                     *           "documentation": "https://developers.google.com/workspace/chat/quickstart/webhooks",
                     *           "label": "Google Chat",
                     *           "logo": "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\" width=\"40\" height=\"40\" aria-hidden=\"true\"><rect width=\"40\" height=\"40\" rx=\"9\" fill=\"#4f5b93\"/><text x=\"20\" y=\"26\" font-family=\"sans-serif\" font-size=\"18\" font-weight=\"700\" text-anchor=\"middle\" fill=\"#ffffff\">GC</text></svg>",
                     *           "name": "google_chat"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ConnectorList"];
                };
            };
        };
    };
    get_connector: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Name of the connector. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "category": "chat",
                     *       "description": "Posts a message to a channel by a webhook.",
                     *       "documentation": "https://discord.com/developers/docs/resources/webhook#execute-webhook",
                     *       "example": {
                     *         "credentials": {},
                     *         "settings": {
                     *           "url": "https://discord.com/api/webhooks/1234/abcdef",
                     *           "username": "Orders"
                     *         }
                     *       },
                     *       "failure_pattern": null,
                     *       "label": "Discord",
                     *       "logo": "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\" width=\"40\" height=\"40\" aria-hidden=\"true\"><rect width=\"40\" height=\"40\" rx=\"9\" fill=\"#4f5b93\"/><text x=\"20\" y=\"26\" font-family=\"sans-serif\" font-size=\"18\" font-weight=\"700\" text-anchor=\"middle\" fill=\"#ffffff\">Di</text></svg>",
                     *       "messages": [
                     *         {
                     *           "content_type": "application/json",
                     *           "description": "Sent for each event.",
                     *           "expected_body": {
                     *             "allowed_mentions": {
                     *               "parse": []
                     *             },
                     *             "content": "**order.paid** order/1042",
                     *             "username": "Orders"
                     *           },
                     *           "label": "Event",
                     *           "name": "event"
                     *         }
                     *       ],
                     *       "name": "discord",
                     *       "notes": "Discord allows about 30 messages per minute for a webhook, and asks for a pause beyond, which is obeyed.",
                     *       "sample": {
                     *         "data": {
                     *           "currency": "EUR",
                     *           "customer": {
                     *             "email": "ada@example.com",
                     *             "id": "cus_7"
                     *           },
                     *           "number": 1042,
                     *           "total": "129.00"
                     *         },
                     *         "datacontenttype": "application/json",
                     *         "id": "order-1042-paid",
                     *         "source": "https://shop.example.com",
                     *         "specversion": "1.0",
                     *         "subject": "order/1042",
                     *         "time": "2026-05-04T12:30:00Z",
                     *         "type": "order.paid"
                     *       },
                     *       "settings": [
                     *         {
                     *           "choices": [],
                     *           "credential": false,
                     *           "default": null,
                     *           "example": "https://discord.com/api/webhooks/1234/abcdef",
                     *           "help": "URL of a webhook of the channel. It is the credential.",
                     *           "label": "URL",
                     *           "maximum": null,
                     *           "minimum": null,
                     *           "name": "url",
                     *           "required": true,
                     *           "takes_paths": false,
                     *           "type": "text"
                     *         },
                     *         {
                     *           "choices": [],
                     *           "credential": false,
                     *           "default": "**<$.type>** <$.subject>",
                     *           "example": "",
                     *           "help": "Text in Markdown, cut at 2,000 characters. Mentions in it notify no user. `<$.path>` places a value of the event.",
                     *           "label": "Message",
                     *           "maximum": null,
                     *           "minimum": null,
                     *           "name": "message",
                     *           "required": false,
                     *           "takes_paths": true,
                     *           "type": "text"
                     *         },
                     *         {
                     *           "choices": [],
                     *           "credential": false,
                     *           "default": null,
                     *           "example": "",
                     *           "help": "Name of the sender in place of the webhook's.",
                     *           "label": "Name",
                     *           "maximum": null,
                     *           "minimum": null,
                     *           "name": "username",
                     *           "required": false,
                     *           "takes_paths": false,
                     *           "type": "text"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Connector"];
                };
            };
        };
    };
    create_connector_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Name of the connector. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ConnectorEndpointRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "address": "https://example.com/webhooks",
                     *       "allowed_rate": null,
                     *       "auth": null,
                     *       "batch": null,
                     *       "connector": "discord",
                     *       "content_mode": "structured",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "disabled_note": "",
                     *       "disabled_reason": null,
                     *       "expires_at": null,
                     *       "failure_pattern": null,
                     *       "headers": {},
                     *       "id": "ep_01m83t2ghzevcannga6my0t003",
                     *       "labels": {},
                     *       "latest_only": null,
                     *       "masks": [],
                     *       "max_in_flight": 512,
                     *       "metadata": {},
                     *       "on_failure": null,
                     *       "on_success": null,
                     *       "ordering": null,
                     *       "rate_burst": null,
                     *       "rate_limit": null,
                     *       "rate_period": "second",
                     *       "reference_above_bytes": null,
                     *       "retry_plan": null,
                     *       "secret": "whsec_YSBzZWNyZXQgb2YgMjQgYnl0ZXMsIDI0",
                     *       "settings": {},
                     *       "state": "active",
                     *       "state_changed_at": "2026-05-04T12:30:00Z",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timeout_ms": 15000,
                     *       "tls": null,
                     *       "type": "http",
                     *       "uid": null,
                     *       "unmasked": false,
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://example.com/webhooks",
                     *       "verification": "unverified",
                     *       "verified_at": null
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointWithSecret"];
                };
            };
        };
    };
    preview_connector: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Name of the connector. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ConnectorPreviewRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "body": "{\"content\": \"**order.paid** order/1042\", \"allowed_mentions\": {\"parse\": []}}",
                     *       "body_base64": null,
                     *       "headers": {
                     *         "accept-encoding": "identity",
                     *         "content-type": "application/json",
                     *         "user-agent": "Waypost/0.1.0",
                     *         "webhook-id": "evt_01m83t2ghzevcannga6my0t011",
                     *         "webhook-signature": "v1,(signed when it is sent)",
                     *         "webhook-timestamp": "1777897800"
                     *       },
                     *       "method": "POST",
                     *       "transformation_error": "",
                     *       "url": "https://example.com/webhooks"
                     *     }
                     */
                    "application/json": components["schemas"]["ConnectorRequest"];
                };
            };
        };
    };
    get_event_data: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the endpoint, from the signed link. */
                endpoint: string;
                /** @description Id of the event, from the signed link. */
                event: string;
                /** @description Signature of the link. */
                signature: string;
                /** @description Expiry of the signed link, as unix seconds. */
                until: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
        };
    };
    list_dead_letter_jobs: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /**
                 * @description What it does.
                 *
                 *     * `discard` - Discard
                 *     * `acknowledge` - Acknowledge
                 */
                operation?: "discard" | "acknowledge";
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /**
                 * @description State of the job.
                 *
                 *     * `running` - Running
                 *     * `finished` - Finished
                 *     * `cancelled` - Cancelled
                 */
                state?: "running" | "finished" | "cancelled";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "changed": 0,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "filter": {
                     *             "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *           },
                     *           "finished_at": null,
                     *           "id": "dlj_01m83t2ghzevcannga6my0t001",
                     *           "note": "Known outage",
                     *           "operation": "acknowledge",
                     *           "requested_by": "wp_c2VjcmV0…",
                     *           "state": "running",
                     *           "total": 0
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetterJobPage"];
                };
            };
        };
    };
    create_dead_letter_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                 *       },
                 *       "note": "Known outage",
                 *       "operation": "acknowledge"
                 *     }
                 */
                "application/json": components["schemas"]["DeadLetterJobCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed": 0,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "filter": {
                     *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *       },
                     *       "finished_at": null,
                     *       "id": "dlj_01m83t2ghzevcannga6my0t001",
                     *       "note": "Known outage",
                     *       "operation": "acknowledge",
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "running",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetterJob"];
                };
            };
        };
    };
    get_dead_letter_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the dead letter job. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed": 0,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "filter": {
                     *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *       },
                     *       "finished_at": null,
                     *       "id": "dlj_01m83t2ghzevcannga6my0t001",
                     *       "note": "Known outage",
                     *       "operation": "acknowledge",
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "running",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetterJob"];
                };
            };
        };
    };
    cancel_dead_letter_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the dead letter job. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed": 0,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "filter": {
                     *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *       },
                     *       "finished_at": "2026-05-04T12:30:00Z",
                     *       "id": "dlj_01m83t2ghzevcannga6my0t001",
                     *       "note": "Known outage",
                     *       "operation": "acknowledge",
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "cancelled",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetterJob"];
                };
            };
        };
    };
    preview_dead_letter_job: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                 *       },
                 *       "operation": "acknowledge"
                 *     }
                 */
                "application/json": components["schemas"]["DeadLetterSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "is_lower_bound": false,
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["SelectionCount"];
                };
            };
        };
    };
    list_dead_letters: {
        parameters: {
            query?: {
                /**
                 * @description Why the delivery failed permanently.
                 *
                 *     * `exhausted` - Retries exhausted
                 *     * `responded_410` - The endpoint responded 410 Gone
                 *     * `expired` - Expired: the endpoint was paused or disabled for seven days
                 *     * `crashed_worker` - Crashed its worker repeatedly
                 *     * `transformation_failed` - Transformation failed
                 *     * `endpoint_deleted` - The endpoint was deleted
                 *     * `set_aside` - Set aside on request
                 */
                cause?: "exhausted" | "responded_410" | "expired" | "crashed_worker" | "transformation_failed" | "endpoint_deleted" | "set_aside";
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Id or `uid` of an endpoint. */
                endpoint?: string;
                /**
                 * @description Class of the latest failure, such as `timeout`.
                 *
                 *     * `status` - The response was no success
                 *     * `timeout` - No response before the timeout
                 *     * `dns` - Host name not found
                 *     * `connect` - Connection refused: no server listens at this port of the host; check the port, and that it runs
                 *     * `unreachable` - Host unreachable: no route leads to its address; check its DNS record, network and firewall
                 *     * `reset` - Connection closed before the status line of a response
                 *     * `tls` - TLS handshake failed: check the TLS settings of the server; does it require a client certificate?
                 *     * `tls_expired` - The certificate of the server is expired or not valid yet: renew it
                 *     * `tls_name` - The certificate of the server is for another host name: issue one for the host of the URL
                 *     * `tls_issuer` - The issuer of the certificate is unknown: have the server send its intermediate certificates, use a public authority, or set the endpoint's `tls.ca`
                 *     * `tls_version` - The server has no TLS 1.2 or later: enable it
                 *     * `tls_plaintext` - The server does not speak TLS at this port: check scheme and port of the URL
                 *     * `tls_client` - The server requires a client certificate, or does not accept ours: check the endpoint's `tls`
                 *     * `forbidden` - Address not allowed
                 *     * `protocol` - Response has no valid HTTP status line: check scheme and port of the URL
                 *     * `refused` - The destination did not accept this message: see its response
                 *     * `too_large` - The message is larger than the destination accepts; nothing was sent: send a reference instead
                 *     * `access_denied` - Access denied: check the credentials of the endpoint, and what they allow
                 *     * `not_found` - The destination has no such queue, topic, stream or table: check the settings of the endpoint
                 *     * `throttled` - The destination accepts no more messages for now: set a rate limit, or raise its quota
                 *     * `unavailable` - The destination has an error of its own: see its response
                 *     * `unsigned` - Signing failed: no usable secret; nothing was sent
                 *     * `credentials` - No OAuth token or unreadable credentials; nothing was sent
                 *     * `internal` - Internal error (see the log); nothing was sent
                 *     * `unknown` - Unknown result: the worker crashed
                 */
                error?: "status" | "timeout" | "dns" | "connect" | "unreachable" | "reset" | "tls" | "tls_expired" | "tls_name" | "tls_issuer" | "tls_version" | "tls_plaintext" | "tls_client" | "forbidden" | "protocol" | "refused" | "too_large" | "access_denied" | "not_found" | "throttled" | "unavailable" | "unsigned" | "credentials" | "internal" | "unknown";
                /** @description Related objects to include with each item, separated by commas: delivery, event, attempts. */
                include?: string;
                /** @description Labels that the endpoint has, all of them: `env:prod,region:eu`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the event's id, type, subject or source, ignoring case; or the id of an item of the list. */
                q?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /**
                 * @description What was done about it. Without this filter the list has all.
                 *
                 *     * `open` - Open
                 *     * `acknowledged` - Acknowledged
                 *     * `replayed` - Replayed
                 *     * `discarded` - Discarded
                 */
                state?: "open" | "acknowledged" | "replayed" | "discarded";
                /** @description HTTP status of the latest attempt, or a class of them: `503`, `5xx`. */
                status?: string;
                /** @description Subject of the event, exact. */
                subject?: string;
                /** @description Event type: one (`order.paid`), all below one (`order.*`), or all (`*`). An unknown one is an error. */
                type?: string;
                /** @description End of the period, excluded. */
                until?: string;
                /** @description A value at an indexed path of the event's type (`indexed_paths`): `data.order.id:4711`, or only `4711` for any path. Exact; looks at the newest 1,000 events that have it. */
                value?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "acknowledged_at": null,
                     *           "acknowledged_by": "",
                     *           "attempts_made": 0,
                     *           "cause": "set_aside",
                     *           "closed_at": null,
                     *           "closed_by": "",
                     *           "delivery": "dlv_01m83t2ghzevcannga6my0t001",
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *           "event": "evt_01m83t2ghzevcannga6my0t001",
                     *           "failed_at": "2026-05-04T12:30:00Z",
                     *           "id": "dl_01m83t2ghzevcannga6my0t001",
                     *           "last_error": "",
                     *           "last_status": null,
                     *           "note": "",
                     *           "reason": "Set aside by wp_c2VjcmV0….",
                     *           "replay": null,
                     *           "state": "open",
                     *           "type": "order.paid"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetterPage"];
                };
            };
        };
    };
    get_dead_letter: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the dead letter. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "acknowledged_at": null,
                     *       "acknowledged_by": "",
                     *       "attempts_made": 0,
                     *       "cause": "set_aside",
                     *       "closed_at": null,
                     *       "closed_by": "",
                     *       "delivery": "dlv_01m83t2ghzevcannga6my0t001",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t001",
                     *       "failed_at": "2026-05-04T12:30:00Z",
                     *       "id": "dl_01m83t2ghzevcannga6my0t001",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "note": "",
                     *       "reason": "Set aside by wp_c2VjcmV0….",
                     *       "replay": null,
                     *       "state": "open",
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetter"];
                };
            };
        };
    };
    acknowledge_dead_letter: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the dead letter. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "note": "Outage of the shop, known"
                 *     }
                 */
                "application/json": components["schemas"]["DeadLetterNoteRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "acknowledged_at": "2026-05-04T12:30:00Z",
                     *       "acknowledged_by": "wp_c2VjcmV0…",
                     *       "attempts_made": 0,
                     *       "cause": "set_aside",
                     *       "closed_at": null,
                     *       "closed_by": "",
                     *       "delivery": "dlv_01m83t2ghzevcannga6my0t001",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t001",
                     *       "failed_at": "2026-05-04T12:30:00Z",
                     *       "id": "dl_01m83t2ghzevcannga6my0t001",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "note": "Outage of the shop, known",
                     *       "reason": "Set aside by wp_c2VjcmV0….",
                     *       "replay": null,
                     *       "state": "acknowledged",
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetter"];
                };
            };
        };
    };
    discard_dead_letter: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the dead letter. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "note": "Test data"
                 *     }
                 */
                "application/json": components["schemas"]["DeadLetterNoteRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "acknowledged_at": null,
                     *       "acknowledged_by": "",
                     *       "attempts_made": 0,
                     *       "cause": "set_aside",
                     *       "closed_at": "2026-05-04T12:30:00Z",
                     *       "closed_by": "wp_c2VjcmV0…",
                     *       "delivery": "dlv_01m83t2ghzevcannga6my0t001",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t001",
                     *       "failed_at": "2026-05-04T12:30:00Z",
                     *       "id": "dl_01m83t2ghzevcannga6my0t002",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "note": "Test data",
                     *       "reason": "Set aside by wp_c2VjcmV0….",
                     *       "replay": null,
                     *       "state": "discarded",
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetter"];
                };
            };
        };
    };
    replay_dead_letter: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the dead letter. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "acknowledged_at": "2026-05-04T12:30:00Z",
                     *       "acknowledged_by": "wp_c2VjcmV0…",
                     *       "attempts_made": 0,
                     *       "cause": "set_aside",
                     *       "closed_at": "2026-05-04T12:30:00Z",
                     *       "closed_by": "wp_c2VjcmV0…",
                     *       "delivery": "dlv_01m83t2ghzevcannga6my0t001",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t001",
                     *       "failed_at": "2026-05-04T12:30:00Z",
                     *       "id": "dl_01m83t2ghzevcannga6my0t001",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "note": "Outage of the shop, known",
                     *       "reason": "Set aside by wp_c2VjcmV0….",
                     *       "replay": "rpl_01m83t2ghzevcannga6my0t002",
                     *       "state": "replayed",
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["DeadLetter"];
                };
            };
        };
    };
    list_deliveries: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Id or `uid` of an endpoint. */
                endpoint?: string;
                /**
                 * @description Class of the latest failure, such as `timeout`.
                 *
                 *     * `status` - The response was no success
                 *     * `timeout` - No response before the timeout
                 *     * `dns` - Host name not found
                 *     * `connect` - Connection refused: no server listens at this port of the host; check the port, and that it runs
                 *     * `unreachable` - Host unreachable: no route leads to its address; check its DNS record, network and firewall
                 *     * `reset` - Connection closed before the status line of a response
                 *     * `tls` - TLS handshake failed: check the TLS settings of the server; does it require a client certificate?
                 *     * `tls_expired` - The certificate of the server is expired or not valid yet: renew it
                 *     * `tls_name` - The certificate of the server is for another host name: issue one for the host of the URL
                 *     * `tls_issuer` - The issuer of the certificate is unknown: have the server send its intermediate certificates, use a public authority, or set the endpoint's `tls.ca`
                 *     * `tls_version` - The server has no TLS 1.2 or later: enable it
                 *     * `tls_plaintext` - The server does not speak TLS at this port: check scheme and port of the URL
                 *     * `tls_client` - The server requires a client certificate, or does not accept ours: check the endpoint's `tls`
                 *     * `forbidden` - Address not allowed
                 *     * `protocol` - Response has no valid HTTP status line: check scheme and port of the URL
                 *     * `refused` - The destination did not accept this message: see its response
                 *     * `too_large` - The message is larger than the destination accepts; nothing was sent: send a reference instead
                 *     * `access_denied` - Access denied: check the credentials of the endpoint, and what they allow
                 *     * `not_found` - The destination has no such queue, topic, stream or table: check the settings of the endpoint
                 *     * `throttled` - The destination accepts no more messages for now: set a rate limit, or raise its quota
                 *     * `unavailable` - The destination has an error of its own: see its response
                 *     * `unsigned` - Signing failed: no usable secret; nothing was sent
                 *     * `credentials` - No OAuth token or unreadable credentials; nothing was sent
                 *     * `internal` - Internal error (see the log); nothing was sent
                 *     * `unknown` - Unknown result: the worker crashed
                 */
                error?: "status" | "timeout" | "dns" | "connect" | "unreachable" | "reset" | "tls" | "tls_expired" | "tls_name" | "tls_issuer" | "tls_version" | "tls_plaintext" | "tls_client" | "forbidden" | "protocol" | "refused" | "too_large" | "access_denied" | "not_found" | "throttled" | "unavailable" | "unsigned" | "credentials" | "internal" | "unknown";
                /** @description Id of an event: `evt_...`, or its own (`event_id`). */
                event?: string;
                /** @description Related objects to include with each item, separated by commas: event, attempts. */
                include?: string;
                /** @description Labels that the endpoint has, all of them: `env:prod,region:eu`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the event's id, type, subject or source, ignoring case; or the id of an item of the list. */
                q?: string;
                /** @description Id of the replay that sent it again. */
                replay?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /**
                 * @description State of the delivery.
                 *
                 *     * `pending` - Pending
                 *     * `sending` - Sending
                 *     * `delivered` - Delivered
                 *     * `dead` - Dead
                 *     * `cancelled` - Cancelled
                 *     * `superseded` - Superseded by a newer delivery of its key
                 */
                state?: "pending" | "sending" | "delivered" | "dead" | "cancelled" | "superseded";
                /** @description HTTP status of the latest attempt, or a class of them: `503`, `5xx`. */
                status?: string;
                /** @description Subject of the event, exact. */
                subject?: string;
                /** @description Id of the delivery that was sent in their place. */
                superseded_by?: string;
                /** @description Event type: one (`order.paid`), all below one (`order.*`), or all (`*`). An unknown one is an error. */
                type?: string;
                /** @description End of the period, excluded. */
                until?: string;
                /** @description A value at an indexed path of the event's type (`indexed_paths`): `data.order.id:4711`, or only `4711` for any path. Exact; looks at the newest 1,000 events that have it. */
                value?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "attempts_made": 1,
                     *           "cancelled_at": null,
                     *           "cancelled_by": null,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *           "event": "evt_01m83t2ghzevcannga6my0t006",
                     *           "id": "dlv_01m83t2ghzevcannga6my0t004",
                     *           "last_error": "",
                     *           "last_status": 204,
                     *           "next_attempt_at": null,
                     *           "replay": null,
                     *           "state": "delivered",
                     *           "superseded_at": null,
                     *           "superseded_by": null,
                     *           "supersedes": 0,
                     *           "type": "order.paid"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["DeliveryPage"];
                };
            };
        };
    };
    get_delivery: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts": [
                     *         {
                     *           "duration_ms": 42,
                     *           "error": "",
                     *           "explanation": "",
                     *           "id": "att_01m83t2ghzevcannga6my0t001",
                     *           "number": 1,
                     *           "repeats": [],
                     *           "requests": 1,
                     *           "response": "",
                     *           "response_headers": [
                     *             [
                     *               "content-length",
                     *               "0"
                     *             ]
                     *           ],
                     *           "response_truncated": false,
                     *           "started_at": "2026-05-04T12:30:00Z",
                     *           "status": 204
                     *         }
                     *       ],
                     *       "attempts_made": 1,
                     *       "cancelled_at": null,
                     *       "cancelled_by": null,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t006",
                     *       "id": "dlv_01m83t2ghzevcannga6my0t004",
                     *       "last_error": "",
                     *       "last_status": 204,
                     *       "next_attempt_at": null,
                     *       "replay": null,
                     *       "state": "delivered",
                     *       "superseded_at": null,
                     *       "superseded_by": null,
                     *       "supersedes": 0,
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["DeliveryDetail"];
                };
            };
        };
    };
    list_delivery_attempts: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /**
                 * @description Class of the latest failure, such as `timeout`.
                 *
                 *     * `status` - The response was no success
                 *     * `timeout` - No response before the timeout
                 *     * `dns` - Host name not found
                 *     * `connect` - Connection refused: no server listens at this port of the host; check the port, and that it runs
                 *     * `unreachable` - Host unreachable: no route leads to its address; check its DNS record, network and firewall
                 *     * `reset` - Connection closed before the status line of a response
                 *     * `tls` - TLS handshake failed: check the TLS settings of the server; does it require a client certificate?
                 *     * `tls_expired` - The certificate of the server is expired or not valid yet: renew it
                 *     * `tls_name` - The certificate of the server is for another host name: issue one for the host of the URL
                 *     * `tls_issuer` - The issuer of the certificate is unknown: have the server send its intermediate certificates, use a public authority, or set the endpoint's `tls.ca`
                 *     * `tls_version` - The server has no TLS 1.2 or later: enable it
                 *     * `tls_plaintext` - The server does not speak TLS at this port: check scheme and port of the URL
                 *     * `tls_client` - The server requires a client certificate, or does not accept ours: check the endpoint's `tls`
                 *     * `forbidden` - Address not allowed
                 *     * `protocol` - Response has no valid HTTP status line: check scheme and port of the URL
                 *     * `refused` - The destination did not accept this message: see its response
                 *     * `too_large` - The message is larger than the destination accepts; nothing was sent: send a reference instead
                 *     * `access_denied` - Access denied: check the credentials of the endpoint, and what they allow
                 *     * `not_found` - The destination has no such queue, topic, stream or table: check the settings of the endpoint
                 *     * `throttled` - The destination accepts no more messages for now: set a rate limit, or raise its quota
                 *     * `unavailable` - The destination has an error of its own: see its response
                 *     * `unsigned` - Signing failed: no usable secret; nothing was sent
                 *     * `credentials` - No OAuth token or unreadable credentials; nothing was sent
                 *     * `internal` - Internal error (see the log); nothing was sent
                 *     * `unknown` - Unknown result: the worker crashed
                 */
                error?: "status" | "timeout" | "dns" | "connect" | "unreachable" | "reset" | "tls" | "tls_expired" | "tls_name" | "tls_issuer" | "tls_version" | "tls_plaintext" | "tls_client" | "forbidden" | "protocol" | "refused" | "too_large" | "access_denied" | "not_found" | "throttled" | "unavailable" | "unsigned" | "credentials" | "internal" | "unknown";
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description HTTP status of the latest attempt, or a class of them: `503`, `5xx`. */
                status?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "duration_ms": 42,
                     *           "error": "",
                     *           "explanation": "",
                     *           "id": "att_01m83t2ghzevcannga6my0t001",
                     *           "number": 1,
                     *           "repeats": [],
                     *           "requests": 1,
                     *           "response": "",
                     *           "response_headers": [
                     *             [
                     *               "content-length",
                     *               "0"
                     *             ]
                     *           ],
                     *           "response_truncated": false,
                     *           "started_at": "2026-05-04T12:30:00Z",
                     *           "status": 204
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["AttemptPage"];
                };
            };
        };
    };
    get_delivery_attempt: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Number of the attempt, or its id. */
                attempt: string;
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "curl": "curl --request POST --globoff --path-as-is --url https://example.com/webhooks --header 'webhook-id: evt_01m83t2ghzevcannga6my0t006' --header 'webhook-timestamp: 1777897800' --header 'webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=' --header 'content-type: application/cloudevents+json' --header 'user-agent: Waypost/0.1.0' --header 'accept-encoding: identity' --header expect: --header accept: --data-raw '{\"specversion\":\"1.0\",\"id\":\"evt_01m83t2ghzevcannga6my0t006\",\"source\":\"urn:waypost:tnt_01m83t2ghzevcannga6my0t001\",\"type\":\"order.paid\",\"subject\":\"A-17\",\"time\":\"2026-05-04T12:30:00Z\",\"data\":{\"number\":\"A-17\",\"total\":129.5}}'",
                     *       "duration_ms": 42,
                     *       "error": "",
                     *       "explanation": "",
                     *       "id": "att_01m83t2ghzevcannga6my0t001",
                     *       "number": 1,
                     *       "repeats": [],
                     *       "request": {
                     *         "body": "{\"specversion\":\"1.0\",\"id\":\"evt_01m83t2ghzevcannga6my0t006\",\"source\":\"urn:waypost:tnt_01m83t2ghzevcannga6my0t001\",\"type\":\"order.paid\",\"subject\":\"A-17\",\"time\":\"2026-05-04T12:30:00Z\",\"data\":{\"number\":\"A-17\",\"total\":129.5}}",
                     *         "body_base64": null,
                     *         "changed": [],
                     *         "headers": {
                     *           "accept-encoding": "identity",
                     *           "content-length": "223",
                     *           "content-type": "application/cloudevents+json",
                     *           "host": "hooks.example.com",
                     *           "user-agent": "Waypost/0.1.0",
                     *           "webhook-id": "evt_01m83t2ghzevcannga6my0t006",
                     *           "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
                     *           "webhook-timestamp": "1777897800"
                     *         },
                     *         "method": "POST",
                     *         "signed_at": 1777897800,
                     *         "url": "https://example.com/webhooks"
                     *       },
                     *       "requests": 1,
                     *       "response": "",
                     *       "response_headers": [
                     *         [
                     *           "content-length",
                     *           "0"
                     *         ]
                     *       ],
                     *       "response_truncated": false,
                     *       "started_at": "2026-05-04T12:30:00Z",
                     *       "status": 204
                     *     }
                     */
                    "application/json": components["schemas"]["AttemptDetail"];
                };
            };
        };
    };
    cancel_delivery: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts_made": 0,
                     *       "cancelled_at": "2026-05-04T12:30:00Z",
                     *       "cancelled_by": "wp_c2VjcmV0…",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t003",
                     *       "id": "dlv_01m83t2ghzevcannga6my0t003",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "next_attempt_at": null,
                     *       "replay": null,
                     *       "state": "cancelled",
                     *       "superseded_at": null,
                     *       "superseded_by": null,
                     *       "supersedes": 0,
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["Delivery"];
                };
            };
        };
    };
    get_delivery_request: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "body": "{\"specversion\":\"1.0\",\"id\":\"evt_01m83t2ghzevcannga6my0t006\",\"source\":\"urn:waypost:tnt_01m83t2ghzevcannga6my0t001\",\"type\":\"order.paid\",\"subject\":\"A-17\",\"time\":\"2026-05-04T12:30:00Z\",\"data\":{\"number\":\"A-17\",\"total\":129.5}}",
                     *       "body_base64": null,
                     *       "changed": [],
                     *       "headers": {
                     *         "accept-encoding": "identity",
                     *         "content-length": "223",
                     *         "content-type": "application/cloudevents+json",
                     *         "host": "hooks.example.com",
                     *         "user-agent": "Waypost/0.1.0",
                     *         "webhook-id": "evt_01m83t2ghzevcannga6my0t006",
                     *         "webhook-signature": "v1,(signed when it is sent)",
                     *         "webhook-timestamp": "1777897800"
                     *       },
                     *       "method": "POST",
                     *       "signed_at": 1777897800,
                     *       "url": "https://example.com/webhooks"
                     *     }
                     */
                    "application/json": components["schemas"]["SentRequest"];
                };
            };
        };
    };
    resend_delivery: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts_made": 0,
                     *       "cancelled_at": null,
                     *       "cancelled_by": null,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t013",
                     *       "id": "dlv_01m83t2ghzevcannga6my0t005",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "next_attempt_at": "2026-05-04T12:30:00Z",
                     *       "replay": null,
                     *       "state": "pending",
                     *       "superseded_at": null,
                     *       "superseded_by": null,
                     *       "supersedes": 0,
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["Delivery"];
                };
            };
        };
    };
    retry_delivery: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts_made": 0,
                     *       "cancelled_at": null,
                     *       "cancelled_by": null,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t013",
                     *       "id": "dlv_01m83t2ghzevcannga6my0t005",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "next_attempt_at": "2026-05-04T12:30:00Z",
                     *       "replay": null,
                     *       "state": "pending",
                     *       "superseded_at": null,
                     *       "superseded_by": null,
                     *       "supersedes": 0,
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["Delivery"];
                };
            };
        };
    };
    set_delivery_aside: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the delivery. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts_made": 0,
                     *       "cancelled_at": null,
                     *       "cancelled_by": null,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "event": "evt_01m83t2ghzevcannga6my0t001",
                     *       "id": "dlv_01m83t2ghzevcannga6my0t001",
                     *       "last_error": "",
                     *       "last_status": null,
                     *       "next_attempt_at": null,
                     *       "replay": null,
                     *       "state": "dead",
                     *       "superseded_at": null,
                     *       "superseded_by": null,
                     *       "supersedes": 0,
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["Delivery"];
                };
            };
        };
    };
    cancel_deliveries: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["DeliveryCancelRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "has_more": false,
                     *       "total": 2
                     *     }
                     */
                    "application/json": components["schemas"]["BulkResult"];
                };
            };
        };
    };
    preview_cancel_deliveries: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["DeliveryCancelRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "is_lower_bound": false,
                     *       "total": 2
                     *     }
                     */
                    "application/json": components["schemas"]["SelectionCount"];
                };
            };
        };
    };
    get_endpoint_stats_of_all: {
        parameters: {
            query?: {
                /** @description Number of hours, including the current one. */
                hours?: number;
                /** @description Labels that the endpoints have, all of them: `env:prod,region:eu`. Default: all. */
                labels?: string;
                /**
                 * @description State of the endpoints. Default: any.
                 *
                 *     * `active` - Active
                 *     * `paused` - Paused
                 *     * `disabled` - Disabled
                 *     * `unverified` - Unverified
                 */
                state?: "active" | "paused" | "disabled" | "unverified";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "attempts": 1,
                     *           "begins_at": "2026-05-04T12:30:00Z",
                     *           "delivered": 1,
                     *           "failed": 0,
                     *           "last_error": "",
                     *           "last_failed_at": null,
                     *           "last_status": null,
                     *           "latency_ms": {
                     *             "p50": 42,
                     *             "p95": 42,
                     *             "p99": 42
                     *           },
                     *           "rejected": 0,
                     *           "success_rate": 1,
                     *           "superseded": 0
                     *         }
                     *       ],
                     *       "total": {
                     *         "attempts": 1,
                     *         "begins_at": "2026-05-04T12:30:00Z",
                     *         "delivered": 1,
                     *         "failed": 0,
                     *         "last_error": "",
                     *         "last_failed_at": null,
                     *         "last_status": null,
                     *         "latency_ms": {
                     *           "p50": 42,
                     *           "p95": 42,
                     *           "p99": 42
                     *         },
                     *         "rejected": 0,
                     *         "success_rate": 1,
                     *         "superseded": 0
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointStats"];
                };
            };
        };
    };
    list_endpoint_types: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "description": "An event becomes a signed POST request to a URL. At least once: a response with status 2xx acknowledges it.",
                     *           "extra": "",
                     *           "installed": true,
                     *           "label": "HTTP",
                     *           "missing": [],
                     *           "name": "http",
                     *           "settings": []
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointTypeList"];
                };
            };
        };
    };
    list_endpoints: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Labels that it has, all of them: `env:prod,region:eu`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the `uid`, description or address, ignoring case. */
                q?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /**
                 * @description State of the endpoint.
                 *
                 *     * `active` - Active
                 *     * `paused` - Paused
                 *     * `disabled` - Disabled
                 *     * `unverified` - Unverified
                 */
                state?: "active" | "paused" | "disabled" | "unverified";
                /** @description Type of the endpoint, as `GET /endpoint-types/` lists them. */
                type?: string;
                /** @description Your own id, exact. */
                uid?: string;
                /** @description End of the period, excluded. */
                until?: string;
                /** @description Part of the URL. */
                url?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "address": "https://example.com/webhooks",
                     *           "allowed_rate": null,
                     *           "auth": null,
                     *           "batch": null,
                     *           "connector": "discord",
                     *           "content_mode": "structured",
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "description": "",
                     *           "disabled_note": "",
                     *           "disabled_reason": null,
                     *           "expires_at": null,
                     *           "failure_pattern": null,
                     *           "headers": {},
                     *           "id": "ep_01m83t2ghzevcannga6my0t003",
                     *           "labels": {},
                     *           "latest_only": null,
                     *           "masks": [],
                     *           "max_in_flight": 512,
                     *           "metadata": {},
                     *           "on_failure": null,
                     *           "on_success": null,
                     *           "ordering": null,
                     *           "rate_burst": null,
                     *           "rate_limit": null,
                     *           "rate_period": "second",
                     *           "reference_above_bytes": null,
                     *           "retry_plan": null,
                     *           "settings": {},
                     *           "state": "active",
                     *           "state_changed_at": "2026-05-04T12:30:00Z",
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "timeout_ms": 15000,
                     *           "tls": null,
                     *           "type": "http",
                     *           "uid": null,
                     *           "unmasked": false,
                     *           "updated_at": "2026-05-04T12:30:00Z",
                     *           "url": "https://example.com/webhooks",
                     *           "verification": "unverified",
                     *           "verified_at": null
                     *         },
                     *         {
                     *           "address": "https://example.com/webhooks",
                     *           "allowed_rate": null,
                     *           "auth": null,
                     *           "batch": null,
                     *           "connector": "",
                     *           "content_mode": "structured",
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "description": "ERP of Acme",
                     *           "disabled_note": "",
                     *           "disabled_reason": null,
                     *           "expires_at": null,
                     *           "failure_pattern": null,
                     *           "headers": {},
                     *           "id": "ep_01m83t2ghzevcannga6my0t002",
                     *           "labels": {
                     *             "env": "prod"
                     *           },
                     *           "latest_only": null,
                     *           "masks": [],
                     *           "max_in_flight": 512,
                     *           "metadata": {},
                     *           "on_failure": null,
                     *           "on_success": null,
                     *           "ordering": null,
                     *           "rate_burst": null,
                     *           "rate_limit": null,
                     *           "rate_period": "second",
                     *           "reference_above_bytes": null,
                     *           "retry_plan": null,
                     *           "settings": {},
                     *           "state": "active",
                     *           "state_changed_at": "2026-05-04T12:30:00Z",
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "timeout_ms": 15000,
                     *           "tls": null,
                     *           "type": "http",
                     *           "uid": "erp",
                     *           "unmasked": false,
                     *           "updated_at": "2026-05-04T12:30:00Z",
                     *           "url": "https://example.com/webhooks",
                     *           "verification": "unverified",
                     *           "verified_at": null
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointPage"];
                };
            };
        };
    };
    create_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EndpointCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "address": "https://example.com/webhooks",
                     *       "allowed_rate": null,
                     *       "auth": null,
                     *       "batch": null,
                     *       "connector": "",
                     *       "content_mode": "structured",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "ERP of Acme",
                     *       "disabled_note": "",
                     *       "disabled_reason": null,
                     *       "expires_at": null,
                     *       "failure_pattern": null,
                     *       "headers": {},
                     *       "id": "ep_01m83t2ghzevcannga6my0t002",
                     *       "labels": {
                     *         "env": "prod"
                     *       },
                     *       "latest_only": null,
                     *       "masks": [],
                     *       "max_in_flight": 512,
                     *       "metadata": {},
                     *       "on_failure": null,
                     *       "on_success": null,
                     *       "ordering": null,
                     *       "rate_burst": null,
                     *       "rate_limit": null,
                     *       "rate_period": "second",
                     *       "reference_above_bytes": null,
                     *       "retry_plan": null,
                     *       "secret": "whsec_YSBzZWNyZXQgb2YgMjQgYnl0ZXMsIDI0",
                     *       "settings": {},
                     *       "state": "active",
                     *       "state_changed_at": "2026-05-04T12:30:00Z",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timeout_ms": 15000,
                     *       "tls": null,
                     *       "type": "http",
                     *       "uid": "erp",
                     *       "unmasked": false,
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://example.com/webhooks",
                     *       "verification": "unverified",
                     *       "verified_at": null
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointWithSecret"];
                };
            };
        };
    };
    get_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "address": "https://example.com/webhooks",
                     *       "allowed_rate": null,
                     *       "auth": null,
                     *       "batch": null,
                     *       "connector": "",
                     *       "content_mode": "structured",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "ERP of Acme",
                     *       "disabled_note": "",
                     *       "disabled_reason": null,
                     *       "expires_at": null,
                     *       "failure_pattern": null,
                     *       "headers": {},
                     *       "id": "ep_01m83t2ghzevcannga6my0t002",
                     *       "labels": {
                     *         "env": "prod"
                     *       },
                     *       "latest_only": null,
                     *       "masks": [],
                     *       "max_in_flight": 512,
                     *       "metadata": {},
                     *       "on_failure": null,
                     *       "on_success": null,
                     *       "ordering": null,
                     *       "rate_burst": null,
                     *       "rate_limit": null,
                     *       "rate_period": "second",
                     *       "reference_above_bytes": null,
                     *       "retry_plan": null,
                     *       "settings": {},
                     *       "state": "active",
                     *       "state_changed_at": "2026-05-04T12:30:00Z",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timeout_ms": 15000,
                     *       "tls": null,
                     *       "type": "http",
                     *       "uid": "erp",
                     *       "unmasked": false,
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://example.com/webhooks",
                     *       "verification": "unverified",
                     *       "verified_at": null
                     *     }
                     */
                    "application/json": components["schemas"]["Endpoint"];
                };
            };
        };
    };
    replace_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "description": "ERP of Acme",
                 *       "labels": {
                 *         "env": "prod"
                 *       },
                 *       "uid": "shop",
                 *       "url": "https://example.com/webhooks"
                 *     }
                 */
                "application/json": components["schemas"]["EndpointCreateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "address": "https://example.com/webhooks",
                     *       "allowed_rate": null,
                     *       "auth": null,
                     *       "batch": null,
                     *       "connector": "",
                     *       "content_mode": "structured",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "ERP of Acme",
                     *       "disabled_note": "",
                     *       "disabled_reason": null,
                     *       "expires_at": null,
                     *       "failure_pattern": null,
                     *       "headers": {},
                     *       "id": "ep_01m83t2ghzevcannga6my0t002",
                     *       "labels": {
                     *         "env": "prod"
                     *       },
                     *       "latest_only": null,
                     *       "masks": [],
                     *       "max_in_flight": 512,
                     *       "metadata": {},
                     *       "on_failure": null,
                     *       "on_success": null,
                     *       "ordering": null,
                     *       "rate_burst": null,
                     *       "rate_limit": 100,
                     *       "rate_period": "second",
                     *       "reference_above_bytes": null,
                     *       "retry_plan": null,
                     *       "settings": {},
                     *       "state": "active",
                     *       "state_changed_at": "2026-05-04T12:30:00Z",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timeout_ms": 15000,
                     *       "tls": null,
                     *       "type": "http",
                     *       "uid": "erp",
                     *       "unmasked": false,
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://example.com/webhooks",
                     *       "verification": "unverified",
                     *       "verified_at": null
                     *     }
                     */
                    "application/json": components["schemas"]["Endpoint"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "address": "https://example.com/webhooks",
                     *       "allowed_rate": null,
                     *       "auth": null,
                     *       "batch": null,
                     *       "connector": "",
                     *       "content_mode": "structured",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "ERP of Acme",
                     *       "disabled_note": "",
                     *       "disabled_reason": null,
                     *       "expires_at": null,
                     *       "failure_pattern": null,
                     *       "headers": {},
                     *       "id": "ep_01m83t2ghzevcannga6my0t004",
                     *       "labels": {
                     *         "env": "prod"
                     *       },
                     *       "latest_only": null,
                     *       "masks": [],
                     *       "max_in_flight": 512,
                     *       "metadata": {},
                     *       "on_failure": null,
                     *       "on_success": null,
                     *       "ordering": null,
                     *       "rate_burst": null,
                     *       "rate_limit": null,
                     *       "rate_period": "second",
                     *       "reference_above_bytes": null,
                     *       "retry_plan": null,
                     *       "secret": "whsec_YSBzZWNyZXQgb2YgMjQgYnl0ZXMsIDI0",
                     *       "settings": {},
                     *       "state": "active",
                     *       "state_changed_at": "2026-05-04T12:30:00Z",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timeout_ms": 15000,
                     *       "tls": null,
                     *       "type": "http",
                     *       "uid": "shop",
                     *       "unmasked": false,
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://example.com/webhooks",
                     *       "verification": "unverified",
                     *       "verified_at": null
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointWithSecret"];
                };
            };
        };
    };
    delete_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["EndpointUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "address": "https://example.com/webhooks",
                     *       "allowed_rate": null,
                     *       "auth": null,
                     *       "batch": null,
                     *       "connector": "",
                     *       "content_mode": "structured",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "ERP of Acme",
                     *       "disabled_note": "",
                     *       "disabled_reason": null,
                     *       "expires_at": null,
                     *       "failure_pattern": null,
                     *       "headers": {},
                     *       "id": "ep_01m83t2ghzevcannga6my0t002",
                     *       "labels": {
                     *         "env": "prod"
                     *       },
                     *       "latest_only": null,
                     *       "masks": [],
                     *       "max_in_flight": 512,
                     *       "metadata": {},
                     *       "on_failure": null,
                     *       "on_success": null,
                     *       "ordering": null,
                     *       "rate_burst": null,
                     *       "rate_limit": 100,
                     *       "rate_period": "second",
                     *       "reference_above_bytes": null,
                     *       "retry_plan": null,
                     *       "settings": {},
                     *       "state": "active",
                     *       "state_changed_at": "2026-05-04T12:30:00Z",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timeout_ms": 10000,
                     *       "tls": null,
                     *       "type": "http",
                     *       "uid": "erp",
                     *       "unmasked": false,
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://example.com/webhooks",
                     *       "verification": "unverified",
                     *       "verified_at": null
                     *     }
                     */
                    "application/json": components["schemas"]["Endpoint"];
                };
            };
        };
    };
    acknowledge_messages: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "acknowledged": [
                 *         "dlv_01m83t2ghzevcannga6my0t002"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["AcknowledgementsRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "results": [
                     *         {
                     *           "id": "dlv_01m83t2ghzevcannga6my0t002",
                     *           "result": "acknowledged"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ReportResults"];
                };
            };
        };
    };
    get_endpoint_history: {
        parameters: {
            query?: {
                /** @description First day (UTC); by month, the whole month counts. Default: 29 days before `to`. */
                from?: string;
                /**
                 * @description Period of a row.
                 *
                 *     * `day` - One row for each day
                 *     * `month` - One row for each month
                 */
                granularity?: "day" | "month";
                /** @description Last day (UTC), included. Default: today. */
                to?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "attempts": 0,
                     *           "begins_at": "2026-05-04T12:30:00Z",
                     *           "dead_letters": 0,
                     *           "delivered": 0,
                     *           "deliveries": 0,
                     *           "events": 0,
                     *           "failed": 0,
                     *           "failures": {},
                     *           "latency_ms": {
                     *             "p50": null,
                     *             "p95": null
                     *           },
                     *           "open_dead_letters": null,
                     *           "pending": null,
                     *           "rejected": 0
                     *         }
                     *       ],
                     *       "total": {
                     *         "attempts": 0,
                     *         "begins_at": "2026-05-04T12:30:00Z",
                     *         "dead_letters": 0,
                     *         "delivered": 0,
                     *         "deliveries": 0,
                     *         "events": 0,
                     *         "failed": 0,
                     *         "failures": {},
                     *         "latency_ms": {
                     *           "p50": null,
                     *           "p95": null
                     *         },
                     *         "open_dead_letters": null,
                     *         "pending": null,
                     *         "rejected": 0
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["History"];
                };
            };
        };
    };
    get_endpoint_keys: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "keys": []
                     *     }
                     */
                    "application/json": components["schemas"]["JsonWebKeySet"];
                };
            };
        };
    };
    get_endpoint_masking_keys: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "is_current": true,
                     *           "key": "dGhlIGtleSBvZiBhbiBleGFtcGxlLCAzMiBieXRlcyE",
                     *           "key_id": "ep_01m83t2ghzevcannga6my0t004.2"
                     *         },
                     *         {
                     *           "created_at": null,
                     *           "is_current": false,
                     *           "key": "dGhlIGtleSBvZiBhbiBleGFtcGxlLCAzMiBieXRlcyE",
                     *           "key_id": "ep_01m83t2ghzevcannga6my0t004"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["MaskingKeys"];
                };
            };
        };
    };
    rotate_endpoint_masking_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "is_current": true,
                     *       "key": "dGhlIGtleSBvZiBhbiBleGFtcGxlLCAzMiBieXRlcyE",
                     *       "key_id": "ep_01m83t2ghzevcannga6my0t004.2"
                     *     }
                     */
                    "application/json": components["schemas"]["MaskingKey"];
                };
            };
        };
    };
    pull_messages: {
        parameters: {
            query?: {
                /** @description `cursor` of the last response that this consumer got. Left out: a new consumer. */
                after?: string;
                /** @description Most messages in a response, or in one step of a stream. */
                limit?: number;
                /** @description Seconds to wait for a message if there is none; a stream waits in any case. */
                wait?: number;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description Of Server-Sent Events: the id of the last event that arrived, in place of `after`. */
                "Last-Event-ID"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cursor": "AZQ3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3Q3",
                     *       "endpoint_state": "active",
                     *       "messages": [
                     *         {
                     *           "acknowledge_within": 60,
                     *           "attempt": 1,
                     *           "body": "{\"specversion\":\"1.0\",\"id\":\"evt_01m83t2ghzevcannga6my0t012\",\"source\":\"urn:waypost:tnt_01m83t2ghzevcannga6my0t001\",\"type\":\"stock.low\",\"time\":\"2026-05-04T12:30:00Z\",\"data\":{\"left\":3}}",
                     *           "encoding": "utf-8",
                     *           "headers": {
                     *             "content-type": "application/cloudevents+json",
                     *             "webhook-id": "evt_01m83t2ghzevcannga6my0t012",
                     *             "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
                     *             "webhook-timestamp": "1777897800"
                     *           },
                     *           "id": "dlv_01m83t2ghzevcannga6my0t002",
                     *           "order_key": null
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Messages"];
                    "text/event-stream": string;
                };
            };
        };
    };
    retry_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "backlog": 0,
                     *       "backlog_is_lower_bound": false,
                     *       "behind": null,
                     *       "blockers": [],
                     *       "circuit_breaker": {
                     *         "failing_since": null,
                     *         "failures": 0,
                     *         "open_count": 0,
                     *         "open_until": null,
                     *         "state": "closed"
                     *       },
                     *       "concurrency": 64,
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "effective_rate": 100,
                     *       "endpoint_state": "active",
                     *       "health": {
                     *         "attempts": 1,
                     *         "delivered": 1,
                     *         "disabled_at": null,
                     *         "failing_days": 0,
                     *         "rejected": 0,
                     *         "rejected_percent": 0,
                     *         "state": "healthy",
                     *         "text": "The endpoint accepts deliveries: 100 % of 1 attempt in the last 24 hours.",
                     *         "warnings_sent": 0
                     *       },
                     *       "max_in_flight": 512,
                     *       "oldest_due_at": null,
                     *       "ordering": null,
                     *       "pulled_at": null,
                     *       "rate_limit": 100,
                     *       "sending": 0,
                     *       "state": "ready",
                     *       "waits_because": null,
                     *       "waits_until": null
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointStatus"];
                };
            };
        };
    };
    list_endpoint_secrets: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "expires_at": null,
                     *           "id": "sec_01m83t2ghzevcannga6my0t001",
                     *           "public_key": null,
                     *           "signing": "v1"
                     *         },
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "expires_at": "2026-05-04T12:30:00Z",
                     *           "id": "sec_01m83t2ghzevcannga6my0t003",
                     *           "public_key": null,
                     *           "signing": "v1"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["SigningSecretPage"];
                };
            };
        };
    };
    create_endpoint_secret: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "overlap_seconds": 86400
                 *     }
                 */
                "application/json": components["schemas"]["SigningSecretCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": null,
                     *       "id": "sec_01m83t2ghzevcannga6my0t001",
                     *       "public_key": null,
                     *       "secret": "whsec_YSBzZWNyZXQgb2YgMjQgYnl0ZXMsIDI0",
                     *       "signing": "v1"
                     *     }
                     */
                    "application/json": components["schemas"]["SigningSecretWithValue"];
                };
            };
        };
    };
    get_endpoint_secret: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the secret. */
                id: string;
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": "2026-05-04T12:30:00Z",
                     *       "id": "sec_01m83t2ghzevcannga6my0t003",
                     *       "public_key": null,
                     *       "signing": "v1"
                     *     }
                     */
                    "application/json": components["schemas"]["SigningSecret"];
                };
            };
        };
    };
    delete_endpoint_secret: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the secret. */
                id: string;
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    get_endpoint_stats: {
        parameters: {
            query?: {
                /** @description Number of hours, including the current one. */
                hours?: number;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "attempts": 0,
                     *           "begins_at": "2026-05-04T12:30:00Z",
                     *           "delivered": 0,
                     *           "failed": 0,
                     *           "last_error": "",
                     *           "last_failed_at": null,
                     *           "last_status": null,
                     *           "latency_ms": {
                     *             "p50": null,
                     *             "p95": null,
                     *             "p99": null
                     *           },
                     *           "rejected": 0,
                     *           "success_rate": null,
                     *           "superseded": 0
                     *         },
                     *         {
                     *           "attempts": 0,
                     *           "begins_at": "2026-05-04T12:30:00Z",
                     *           "delivered": 0,
                     *           "failed": 0,
                     *           "last_error": "",
                     *           "last_failed_at": null,
                     *           "last_status": null,
                     *           "latency_ms": {
                     *             "p50": null,
                     *             "p95": null,
                     *             "p99": null
                     *           },
                     *           "rejected": 0,
                     *           "success_rate": null,
                     *           "superseded": 0
                     *         }
                     *       ],
                     *       "total": {
                     *         "attempts": 1,
                     *         "begins_at": "2026-05-04T12:30:00Z",
                     *         "delivered": 1,
                     *         "failed": 0,
                     *         "last_error": "",
                     *         "last_failed_at": null,
                     *         "last_status": null,
                     *         "latency_ms": {
                     *           "p50": 42,
                     *           "p95": 42,
                     *           "p99": 42
                     *         },
                     *         "rejected": 0,
                     *         "success_rate": 1,
                     *         "superseded": 0
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointStats"];
                };
            };
        };
    };
    get_endpoint_status: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "backlog": 0,
                     *       "backlog_is_lower_bound": false,
                     *       "behind": null,
                     *       "blockers": [],
                     *       "circuit_breaker": {
                     *         "failing_since": null,
                     *         "failures": 0,
                     *         "open_count": 0,
                     *         "open_until": null,
                     *         "state": "closed"
                     *       },
                     *       "concurrency": 64,
                     *       "due_at": null,
                     *       "effective_rate": 100,
                     *       "endpoint_state": "active",
                     *       "health": {
                     *         "attempts": 1,
                     *         "delivered": 1,
                     *         "disabled_at": null,
                     *         "failing_days": 0,
                     *         "rejected": 0,
                     *         "rejected_percent": 0,
                     *         "state": "healthy",
                     *         "text": "The endpoint accepts deliveries: 100 % of 1 attempt in the last 24 hours.",
                     *         "warnings_sent": 0
                     *       },
                     *       "max_in_flight": 512,
                     *       "oldest_due_at": null,
                     *       "ordering": null,
                     *       "pulled_at": null,
                     *       "rate_limit": 100,
                     *       "sending": 0,
                     *       "state": "idle",
                     *       "waits_because": null,
                     *       "waits_until": null
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointStatus"];
                };
            };
        };
    };
    test_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "data": {
                 *         "total": 129.5
                 *       },
                 *       "type": "order.paid"
                 *     }
                 */
                "application/json": components["schemas"]["TestDeliveryCreateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "delivered": true,
                     *       "error": "",
                     *       "explanation": "",
                     *       "re_enabled": false,
                     *       "repeats": [],
                     *       "request": {
                     *         "body": "{\"specversion\":\"1.0\",\"id\":\"evt_01m83t2ghzevcannga6my0t014\",\"source\":\"urn:waypost:tnt_01m83t2ghzevcannga6my0t001\",\"type\":\"order.paid\",\"time\":\"2026-05-04T12:30:00Z\",\"data\":{\"total\":129.5}}",
                     *         "headers": {
                     *           "accept-encoding": "identity",
                     *           "content-type": "application/cloudevents+json",
                     *           "user-agent": "Waypost/0.1.0",
                     *           "webhook-id": "evt_01m83t2ghzevcannga6my0t014",
                     *           "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
                     *           "webhook-timestamp": "1777897800"
                     *         },
                     *         "method": "POST",
                     *         "url": "https://example.com/webhooks"
                     *       },
                     *       "response": {
                     *         "body": "",
                     *         "body_truncated": false,
                     *         "headers": [
                     *           [
                     *             "content-length",
                     *             "0"
                     *           ]
                     *         ],
                     *         "status": 204
                     *       },
                     *       "sent": true,
                     *       "timing": {
                     *         "first_byte_ms": 30,
                     *         "resolved_ms": 0,
                     *         "total_ms": 42
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["TestDelivery"];
                };
            };
        };
    };
    verify_endpoint: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the endpoint. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["VerificationRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "allowed_rate": null,
                     *       "problem": "The response body does not contain the challenge.",
                     *       "verification": "unverified"
                     *     }
                     */
                    "application/json": components["schemas"]["VerificationResult"];
                };
            };
        };
    };
    put_endpoints: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "data": [
                 *         {
                 *           "subscriptions": [
                 *             {
                 *               "event_types": [
                 *                 "customer.*"
                 *               ]
                 *             }
                 *           ],
                 *           "uid": "crm",
                 *           "url": "https://example.com/webhooks"
                 *         },
                 *         {
                 *           "uid": "internal",
                 *           "url": "https://10.0.0.1/hooks"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["EndpointBatchRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created": 1,
                     *       "data": [
                     *         {
                     *           "endpoint": {
                     *             "address": "https://example.com/webhooks",
                     *             "allowed_rate": null,
                     *             "auth": null,
                     *             "batch": null,
                     *             "connector": "",
                     *             "content_mode": "structured",
                     *             "created_at": "2026-05-04T12:30:00Z",
                     *             "description": "",
                     *             "disabled_note": "",
                     *             "disabled_reason": null,
                     *             "expires_at": null,
                     *             "failure_pattern": null,
                     *             "headers": {},
                     *             "id": "ep_01m83t2ghzevcannga6my0t007",
                     *             "labels": {},
                     *             "latest_only": null,
                     *             "masks": [],
                     *             "max_in_flight": 512,
                     *             "metadata": {},
                     *             "on_failure": null,
                     *             "on_success": null,
                     *             "ordering": null,
                     *             "rate_burst": null,
                     *             "rate_limit": null,
                     *             "rate_period": "second",
                     *             "reference_above_bytes": null,
                     *             "retry_plan": null,
                     *             "secret": "whsec_YSBzZWNyZXQgb2YgMjQgYnl0ZXMsIDI0",
                     *             "settings": {},
                     *             "state": "active",
                     *             "state_changed_at": "2026-05-04T12:30:00Z",
                     *             "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *             "timeout_ms": 15000,
                     *             "tls": null,
                     *             "type": "http",
                     *             "uid": "crm",
                     *             "unmasked": false,
                     *             "updated_at": "2026-05-04T12:30:00Z",
                     *             "url": "https://example.com/webhooks",
                     *             "verification": "unverified",
                     *             "verified_at": null
                     *           },
                     *           "error": null,
                     *           "status": "created",
                     *           "uid": "crm"
                     *         },
                     *         {
                     *           "endpoint": null,
                     *           "error": {
                     *             "code": "invalid",
                     *             "detail": "url: This address may not be called: it is private or reserved, or its name has no address. The operator can allow networks (WAYPOST_ALLOW_NETWORKS).",
                     *             "errors": [
                     *               {
                     *                 "code": "invalid",
                     *                 "detail": "This address may not be called: it is private or reserved, or its name has no address. The operator can allow networks (WAYPOST_ALLOW_NETWORKS).",
                     *                 "field": "url",
                     *                 "pointer": "#/url"
                     *               }
                     *             ],
                     *             "status": 400,
                     *             "title": "Invalid request",
                     *             "type": "https://example.com/problems/invalid/"
                     *           },
                     *           "status": "failed",
                     *           "uid": "internal"
                     *         }
                     *       ],
                     *       "failed": 1,
                     *       "updated": 0
                     *     }
                     */
                    "application/json": components["schemas"]["EndpointBatchResult"];
                };
            };
        };
    };
    delete_endpoints: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "uid": "crm"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["EndpointSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "has_more": false,
                     *       "total": 1
                     *     }
                     */
                    "application/json": components["schemas"]["BulkResult"];
                };
            };
        };
    };
    preview_delete_endpoints: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "uid": "crm"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["EndpointSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "is_lower_bound": false,
                     *       "total": 1
                     *     }
                     */
                    "application/json": components["schemas"]["SelectionCount"];
                };
            };
        };
    };
    list_erasures: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /**
                 * @description State of the erasure.
                 *
                 *     * `running` - Running
                 *     * `finished` - Finished
                 *     * `cancelled` - Cancelled
                 */
                state?: "running" | "finished" | "cancelled";
                /** @description Hash of the subject, exact. */
                subject_hash?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "cancelled": 0,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "deliveries": 0,
                     *           "erased": 0,
                     *           "finished_at": null,
                     *           "id": "era_01m83t2ghzevcannga6my0t001",
                     *           "rate": 50,
                     *           "receipts": 0,
                     *           "requested_by": "wp_c2VjcmV0…",
                     *           "state": "running",
                     *           "subject": "customer-1042",
                     *           "subject_hash": "hmac-sha256:4RhX2zjnpfHHr2uHeg6yRBC9I7vz1O2HbLBPrXNJUj4",
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "total": 0
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["ErasurePage"];
                };
            };
        };
    };
    create_erasure: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "rate": 50,
                 *       "subject": "customer-1042"
                 *     }
                 */
                "application/json": components["schemas"]["ErasureCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cancelled": 0,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliveries": 0,
                     *       "erased": 0,
                     *       "finished_at": null,
                     *       "id": "era_01m83t2ghzevcannga6my0t001",
                     *       "rate": 50,
                     *       "receipts": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "running",
                     *       "subject": "customer-1042",
                     *       "subject_hash": "hmac-sha256:4RhX2zjnpfHHr2uHeg6yRBC9I7vz1O2HbLBPrXNJUj4",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["Erasure"];
                };
            };
        };
    };
    get_erasure: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the erasure. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cancelled": 0,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliveries": 0,
                     *       "erased": 0,
                     *       "finished_at": null,
                     *       "id": "era_01m83t2ghzevcannga6my0t001",
                     *       "rate": 50,
                     *       "receipts": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "running",
                     *       "subject": "customer-1042",
                     *       "subject_hash": "hmac-sha256:4RhX2zjnpfHHr2uHeg6yRBC9I7vz1O2HbLBPrXNJUj4",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["Erasure"];
                };
            };
        };
    };
    cancel_erasure: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the erasure. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cancelled": 0,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliveries": 0,
                     *       "erased": 0,
                     *       "finished_at": "2026-05-04T12:30:00Z",
                     *       "id": "era_01m83t2ghzevcannga6my0t001",
                     *       "rate": 50,
                     *       "receipts": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "cancelled",
                     *       "subject": "",
                     *       "subject_hash": "hmac-sha256:4RhX2zjnpfHHr2uHeg6yRBC9I7vz1O2HbLBPrXNJUj4",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["Erasure"];
                };
            };
        };
    };
    preview_erasure: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "subject": "customer-1042"
                 *     }
                 */
                "application/json": components["schemas"]["ErasureSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "deliveries": 0,
                     *       "is_lower_bound": false,
                     *       "total": 0,
                     *       "unfinished": 0
                     *     }
                     */
                    "application/json": components["schemas"]["ErasureCount"];
                };
            };
        };
    };
    list_event_types: {
        parameters: {
            query?: {
                /** @description Whether the type is archived. Without this filter the list has both. */
                archived?: boolean;
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Whether the type is deprecated. Without this filter the list has both. */
                deprecated?: boolean;
                /** @description Group in the catalogue, exact. */
                group?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Name of the type, exact. */
                name?: string;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the name or description, ignoring case. */
                q?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "archived": false,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "deprecated": false,
                     *           "description": "An order was paid.",
                     *           "examples": [],
                     *           "group": "",
                     *           "id": "ety_01m83t2ghzevcannga6my0t001",
                     *           "indexed_paths": [],
                     *           "masks": [],
                     *           "name": "order.paid",
                     *           "schema": {
                     *             "properties": {
                     *               "total": {
                     *                 "type": "number"
                     *               }
                     *             },
                     *             "required": [
                     *               "total"
                     *             ],
                     *             "type": "object"
                     *           },
                     *           "schema_check": "warn",
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "updated_at": "2026-05-04T12:30:00Z",
                     *           "version": 1
                     *         },
                     *         {
                     *           "archived": false,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "deprecated": false,
                     *           "description": "The condition of an alert rule begins to hold, or still holds (`reminder`), or the rule is tested.",
                     *           "examples": [
                     *             {
                     *               "alerts": [
                     *                 {
                     *                   "about_tenant": "tnt_01m83t2ghzevcannga6my0t004",
                     *                   "alert": "alt_01m83t2ghzevcannga6my0t002",
                     *                   "message": "No attempt has succeeded for 10 min (12 failures in a row).",
                     *                   "resolved_at": null,
                     *                   "since": "2026-05-04T12:30:00Z",
                     *                   "subject": "ep_01m83t2ghzevcannga6my0t006",
                     *                   "subject_name": "https://example.com/webhooks",
                     *                   "subject_type": "endpoint",
                     *                   "value": 12
                     *                 }
                     *               ],
                     *               "condition": "endpoint_failing",
                     *               "count": 1,
                     *               "message": "https://example.com/webhooks: No attempt has succeeded for 10 min (12 failures in a row).",
                     *               "occasion": "firing",
                     *               "rule": "alr_01m83t2ghzevcannga6my0t002",
                     *               "rule_name": "An endpoint fails",
                     *               "severity": "critical",
                     *               "title": "Firing: An endpoint fails: https://example.com/webhooks"
                     *             }
                     *           ],
                     *           "group": "Waypost",
                     *           "id": "ety_01m83t2ghzevcannga6my0t002",
                     *           "indexed_paths": [],
                     *           "masks": [],
                     *           "name": "waypost.alert.firing",
                     *           "schema": {
                     *             "additionalProperties": false,
                     *             "properties": {
                     *               "alerts": {
                     *                 "description": "The first 20 of them.",
                     *                 "items": {
                     *                   "additionalProperties": false,
                     *                   "properties": {
                     *                     "about_tenant": {
                     *                       "description": "Id of the tenant that it belongs to; null: none.",
                     *                       "type": [
                     *                         "string",
                     *                         "null"
                     *                       ]
                     *                     },
                     *                     "alert": {
                     *                       "description": "Id of the alert (`alt_...`).",
                     *                       "type": "string"
                     *                     },
                     *                     "message": {
                     *                       "description": "What is wrong, in a sentence.",
                     *                       "type": "string"
                     *                     },
                     *                     "resolved_at": {
                     *                       "description": "When it ended; null: not.",
                     *                       "format": "date-time",
                     *                       "type": [
                     *                         "string",
                     *                         "null"
                     *                       ]
                     *                     },
                     *                     "since": {
                     *                       "description": "Since when the condition holds.",
                     *                       "format": "date-time",
                     *                       "type": "string"
                     *                     },
                     *                     "subject": {
                     *                       "description": "Id or name of the subject.",
                     *                       "type": "string"
                     *                     },
                     *                     "subject_name": {
                     *                       "description": "The subject for people.",
                     *                       "type": "string"
                     *                     },
                     *                     "subject_type": {
                     *                       "description": "Kind of the subject, such as `endpoint`.",
                     *                       "type": "string"
                     *                     },
                     *                     "value": {
                     *                       "description": "The figure that is compared; null: there is none.",
                     *                       "type": [
                     *                         "number",
                     *                         "null"
                     *                       ]
                     *                     }
                     *                   },
                     *                   "required": [
                     *                     "alert",
                     *                     "subject_type",
                     *                     "subject",
                     *                     "subject_name",
                     *                     "since",
                     *                     "value",
                     *                     "message"
                     *                   ],
                     *                   "type": "object"
                     *                 },
                     *                 "type": "array"
                     *               },
                     *               "condition": {
                     *                 "description": "What it watches, such as `endpoint_failing`.",
                     *                 "type": "string"
                     *               },
                     *               "count": {
                     *                 "description": "Alerts that the message is about.",
                     *                 "minimum": 0,
                     *                 "type": "integer"
                     *               },
                     *               "message": {
                     *                 "description": "A line for each alert that is listed.",
                     *                 "type": "string"
                     *               },
                     *               "occasion": {
                     *                 "description": "Why the message is sent.",
                     *                 "enum": [
                     *                   "firing",
                     *                   "reminder",
                     *                   "test"
                     *                 ]
                     *               },
                     *               "rule": {
                     *                 "description": "Id of the rule (`alr_...`); the event's `subject` as well.",
                     *                 "type": "string"
                     *               },
                     *               "rule_name": {
                     *                 "description": "Its name.",
                     *                 "type": "string"
                     *               },
                     *               "severity": {
                     *                 "description": "How urgent it is.",
                     *                 "enum": [
                     *                   "critical",
                     *                   "warning",
                     *                   "info"
                     *                 ]
                     *               },
                     *               "title": {
                     *                 "description": "The message in one line.",
                     *                 "type": "string"
                     *               }
                     *             },
                     *             "required": [
                     *               "rule",
                     *               "rule_name",
                     *               "condition",
                     *               "severity",
                     *               "occasion",
                     *               "count",
                     *               "alerts",
                     *               "title",
                     *               "message"
                     *             ],
                     *             "type": "object"
                     *           },
                     *           "schema_check": "off",
                     *           "tenant": null,
                     *           "updated_at": "2026-05-04T12:30:00Z",
                     *           "version": 1
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["EventTypePage"];
                };
            };
        };
    };
    create_event_type: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "description": "An order was paid.",
                 *       "name": "order.paid",
                 *       "schema": {
                 *         "properties": {
                 *           "total": {
                 *             "type": "number"
                 *           }
                 *         },
                 *         "required": [
                 *           "total"
                 *         ],
                 *         "type": "object"
                 *       },
                 *       "schema_check": "warn"
                 *     }
                 */
                "application/json": components["schemas"]["EventTypeRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "archived": false,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deprecated": false,
                     *       "description": "An order was paid.",
                     *       "examples": [],
                     *       "group": "",
                     *       "id": "ety_01m83t2ghzevcannga6my0t001",
                     *       "indexed_paths": [],
                     *       "masks": [],
                     *       "name": "order.paid",
                     *       "schema": {
                     *         "properties": {
                     *           "total": {
                     *             "type": "number"
                     *           }
                     *         },
                     *         "required": [
                     *           "total"
                     *         ],
                     *         "type": "object"
                     *       },
                     *       "schema_check": "warn",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "version": 1
                     *     }
                     */
                    "application/json": components["schemas"]["EventType"];
                };
            };
        };
    };
    get_event_type: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or name of the event type. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "archived": false,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deprecated": false,
                     *       "description": "An order was paid.",
                     *       "examples": [],
                     *       "group": "",
                     *       "id": "ety_01m83t2ghzevcannga6my0t001",
                     *       "indexed_paths": [],
                     *       "masks": [],
                     *       "name": "order.paid",
                     *       "schema": {
                     *         "properties": {
                     *           "total": {
                     *             "type": "number"
                     *           }
                     *         },
                     *         "required": [
                     *           "total"
                     *         ],
                     *         "type": "object"
                     *       },
                     *       "schema_check": "warn",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "version": 1
                     *     }
                     */
                    "application/json": components["schemas"]["EventType"];
                };
            };
        };
    };
    replace_event_type: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or name of the event type. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "description": "An order was paid.",
                 *       "examples": [
                 *         {
                 *           "total": 129.5
                 *         }
                 *       ],
                 *       "name": "order.paid",
                 *       "schema": {
                 *         "properties": {
                 *           "total": {
                 *             "type": "number"
                 *           }
                 *         },
                 *         "required": [
                 *           "total"
                 *         ],
                 *         "type": "object"
                 *       },
                 *       "schema_check": "warn"
                 *     }
                 */
                "application/json": components["schemas"]["EventTypeRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "archived": false,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deprecated": false,
                     *       "description": "An order was paid.",
                     *       "examples": [
                     *         {
                     *           "total": 129.5
                     *         }
                     *       ],
                     *       "group": "",
                     *       "id": "ety_01m83t2ghzevcannga6my0t001",
                     *       "indexed_paths": [],
                     *       "masks": [],
                     *       "name": "order.paid",
                     *       "schema": {
                     *         "properties": {
                     *           "total": {
                     *             "type": "number"
                     *           }
                     *         },
                     *         "required": [
                     *           "total"
                     *         ],
                     *         "type": "object"
                     *       },
                     *       "schema_check": "warn",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "version": 1
                     *     }
                     */
                    "application/json": components["schemas"]["EventType"];
                };
            };
        };
    };
    delete_event_type: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or name of the event type. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_event_type: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or name of the event type. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "schema_check": "enforce"
                 *     }
                 */
                "application/json": components["schemas"]["EventTypeUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "archived": false,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deprecated": false,
                     *       "description": "An order was paid.",
                     *       "examples": [
                     *         {
                     *           "total": 129.5
                     *         }
                     *       ],
                     *       "group": "",
                     *       "id": "ety_01m83t2ghzevcannga6my0t001",
                     *       "indexed_paths": [],
                     *       "masks": [],
                     *       "name": "order.paid",
                     *       "schema": {
                     *         "properties": {
                     *           "total": {
                     *             "type": "number"
                     *           }
                     *         },
                     *         "required": [
                     *           "total"
                     *         ],
                     *         "type": "object"
                     *       },
                     *       "schema_check": "enforce",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "version": 1
                     *     }
                     */
                    "application/json": components["schemas"]["EventType"];
                };
            };
        };
    };
    list_event_type_versions: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or name of the event type. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "schema": {
                     *             "properties": {
                     *               "total": {
                     *                 "type": "number"
                     *               }
                     *             },
                     *             "required": [
                     *               "total"
                     *             ],
                     *             "type": "object"
                     *           },
                     *           "version": 1
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["EventTypeVersionPage"];
                };
            };
        };
    };
    export_event_types_as_asyncapi: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "asyncapi": "3.0.0",
                     *       "channels": {
                     *         "webhooks": {
                     *           "address": null,
                     *           "bindings": {
                     *             "http": {}
                     *           },
                     *           "description": "Your endpoint, to which Waypost POSTs each message.",
                     *           "messages": {
                     *             "order.paid": {
                     *               "$ref": "#/components/messages/order.paid"
                     *             }
                     *           }
                     *         }
                     *       },
                     *       "components": {
                     *         "messages": {
                     *           "order.paid": {
                     *             "contentType": "application/cloudevents+json",
                     *             "examples": [
                     *               {
                     *                 "payload": {
                     *                   "data": {
                     *                     "total": 129.5
                     *                   },
                     *                   "id": "evt_01m83t2ghzevcannga6my0t010",
                     *                   "source": "https://example.com",
                     *                   "specversion": "1.0",
                     *                   "time": "2026-05-04T12:30:00Z",
                     *                   "type": "order.paid"
                     *                 }
                     *               }
                     *             ],
                     *             "headers": {
                     *               "properties": {
                     *                 "webhook-id": {
                     *                   "description": "The same for every attempt to deliver one event: use it to ignore duplicates.",
                     *                   "type": "string"
                     *                 },
                     *                 "webhook-signature": {
                     *                   "description": "Standard Webhooks 1.0 signature: verify it before you read the body.",
                     *                   "type": "string"
                     *                 },
                     *                 "webhook-timestamp": {
                     *                   "description": "Time of this attempt, in seconds since 1970.",
                     *                   "type": "string"
                     *                 }
                     *               },
                     *               "required": [
                     *                 "webhook-id",
                     *                 "webhook-timestamp",
                     *                 "webhook-signature"
                     *               ],
                     *               "type": "object"
                     *             },
                     *             "name": "order.paid",
                     *             "payload": {
                     *               "schema": {
                     *                 "properties": {
                     *                   "data": {
                     *                     "properties": {
                     *                       "total": {
                     *                         "type": "number"
                     *                       }
                     *                     },
                     *                     "required": [
                     *                       "total"
                     *                     ],
                     *                     "type": "object"
                     *                   },
                     *                   "datacontenttype": {
                     *                     "type": "string"
                     *                   },
                     *                   "dataschema": {
                     *                     "format": "uri",
                     *                     "type": "string"
                     *                   },
                     *                   "id": {
                     *                     "description": "With the source, it identifies the event.",
                     *                     "minLength": 1,
                     *                     "type": "string"
                     *                   },
                     *                   "source": {
                     *                     "format": "uri-reference",
                     *                     "minLength": 1,
                     *                     "type": "string"
                     *                   },
                     *                   "specversion": {
                     *                     "const": "1.0"
                     *                   },
                     *                   "subject": {
                     *                     "type": "string"
                     *                   },
                     *                   "time": {
                     *                     "format": "date-time",
                     *                     "type": "string"
                     *                   },
                     *                   "type": {
                     *                     "const": "order.paid"
                     *                   }
                     *                 },
                     *                 "required": [
                     *                   "specversion",
                     *                   "id",
                     *                   "source",
                     *                   "type",
                     *                   "data"
                     *                 ],
                     *                 "type": "object"
                     *               },
                     *               "schemaFormat": "application/schema+json;version=draft-2020-12"
                     *             },
                     *             "summary": "An order was paid.",
                     *             "title": "order.paid"
                     *           }
                     *         }
                     *       },
                     *       "defaultContentType": "application/cloudevents+json",
                     *       "info": {
                     *         "title": "Webhooks",
                     *         "version": "1"
                     *       },
                     *       "operations": {
                     *         "receiveWebhook": {
                     *           "action": "receive",
                     *           "bindings": {
                     *             "http": {
                     *               "bindingVersion": "0.3.0",
                     *               "method": "POST"
                     *             }
                     *           },
                     *           "channel": {
                     *             "$ref": "#/channels/webhooks"
                     *           }
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
        };
    };
    import_event_types: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "document": {
                 *         "info": {
                 *           "title": "Shop",
                 *           "version": "1"
                 *         },
                 *         "openapi": "3.1.0",
                 *         "webhooks": {
                 *           "order.shipped": {
                 *             "post": {
                 *               "responses": {
                 *                 "200": {
                 *                   "description": "Received."
                 *                 }
                 *               },
                 *               "summary": "An order was shipped."
                 *             }
                 *           }
                 *         }
                 *       },
                 *       "dry_run": true
                 *     }
                 */
                "application/json": components["schemas"]["EventTypeImportRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "changed": [],
                     *       "created": [
                     *         "order.shipped"
                     *       ],
                     *       "dry_run": true,
                     *       "unchanged": []
                     *     }
                     */
                    "application/json": components["schemas"]["EventTypeImportReport"];
                };
            };
        };
    };
    export_event_types_as_openapi: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "info": {
                     *         "title": "Webhooks",
                     *         "version": "1"
                     *       },
                     *       "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
                     *       "openapi": "3.1.0",
                     *       "webhooks": {
                     *         "order.paid": {
                     *           "post": {
                     *             "description": "An order was paid.",
                     *             "operationId": "order.paid",
                     *             "parameters": [
                     *               {
                     *                 "description": "The same for every attempt to deliver one event: use it to ignore duplicates.",
                     *                 "in": "header",
                     *                 "name": "webhook-id",
                     *                 "required": true,
                     *                 "schema": {
                     *                   "type": "string"
                     *                 }
                     *               },
                     *               {
                     *                 "description": "Time of this attempt, in seconds since 1970.",
                     *                 "in": "header",
                     *                 "name": "webhook-timestamp",
                     *                 "required": true,
                     *                 "schema": {
                     *                   "type": "string"
                     *                 }
                     *               },
                     *               {
                     *                 "description": "Standard Webhooks 1.0 signature: verify it before you read the body.",
                     *                 "in": "header",
                     *                 "name": "webhook-signature",
                     *                 "required": true,
                     *                 "schema": {
                     *                   "type": "string"
                     *                 }
                     *               }
                     *             ],
                     *             "requestBody": {
                     *               "content": {
                     *                 "application/cloudevents+json": {
                     *                   "examples": {
                     *                     "example1": {
                     *                       "value": {
                     *                         "data": {
                     *                           "total": 129.5
                     *                         },
                     *                         "id": "evt_01m83t2ghzevcannga6my0t010",
                     *                         "source": "https://example.com",
                     *                         "specversion": "1.0",
                     *                         "time": "2026-05-04T12:30:00Z",
                     *                         "type": "order.paid"
                     *                       }
                     *                     }
                     *                   },
                     *                   "schema": {
                     *                     "properties": {
                     *                       "data": {
                     *                         "properties": {
                     *                           "total": {
                     *                             "type": "number"
                     *                           }
                     *                         },
                     *                         "required": [
                     *                           "total"
                     *                         ],
                     *                         "type": "object"
                     *                       },
                     *                       "datacontenttype": {
                     *                         "type": "string"
                     *                       },
                     *                       "dataschema": {
                     *                         "format": "uri",
                     *                         "type": "string"
                     *                       },
                     *                       "id": {
                     *                         "description": "With the source, it identifies the event.",
                     *                         "minLength": 1,
                     *                         "type": "string"
                     *                       },
                     *                       "source": {
                     *                         "format": "uri-reference",
                     *                         "minLength": 1,
                     *                         "type": "string"
                     *                       },
                     *                       "specversion": {
                     *                         "const": "1.0"
                     *                       },
                     *                       "subject": {
                     *                         "type": "string"
                     *                       },
                     *                       "time": {
                     *                         "format": "date-time",
                     *                         "type": "string"
                     *                       },
                     *                       "type": {
                     *                         "const": "order.paid"
                     *                       }
                     *                     },
                     *                     "required": [
                     *                       "specversion",
                     *                       "id",
                     *                       "source",
                     *                       "type",
                     *                       "data"
                     *                     ],
                     *                     "type": "object"
                     *                   }
                     *                 }
                     *               },
                     *               "required": true
                     *             },
                     *             "responses": {
                     *               "2XX": {
                     *                 "description": "The event was accepted."
                     *               }
                     *             }
                     *           }
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": {
                        [key: string]: unknown;
                    };
                };
            };
        };
    };
    list_events: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description The CloudEvent's own id, exact; with `source` if sources share ids. */
                event_id?: string;
                /** @description Related objects to include with each item, separated by commas: deliveries. */
                include?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the event's id, type, subject or source, ignoring case; or the id of an item of the list. */
                q?: string;
                /** @description Id or `uid` of the schedule that published it. */
                schedule?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description Source of the CloudEvent, exact. An unknown one is an error. */
                source?: string;
                /** @description Subject of the event, exact. */
                subject?: string;
                /** @description Event type: one (`order.paid`), all below one (`order.*`), or all (`*`). An unknown one is an error. */
                type?: string;
                /** @description End of the period, excluded. */
                until?: string;
                /** @description A value at an indexed path of the event's type (`indexed_paths`): `data.order.id:4711`, or only `4711` for any path. Exact; looks at the newest 1,000 events that have it. */
                value?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "deliver_at": null,
                     *           "event_id": "evt_01m83t2ghzevcannga6my0t006",
                     *           "id": "evt_01m83t2ghzevcannga6my0t006",
                     *           "payload_deleted_at": null,
                     *           "routing": "routed",
                     *           "source": "urn:waypost:tnt_01m83t2ghzevcannga6my0t001",
                     *           "subject": "A-17",
                     *           "type": "order.paid"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["EventPage"];
                };
            };
        };
    };
    create_event: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventCreateRequest"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "deliveries": 1,
                     *       "duplicate": false,
                     *       "event_id": "evt_01m83t2ghzevcannga6my0t006",
                     *       "id": "evt_01m83t2ghzevcannga6my0t006",
                     *       "routing": "routed",
                     *       "source": "urn:waypost:tnt_01m83t2ghzevcannga6my0t001"
                     *     }
                     */
                    "application/json": components["schemas"]["PublishResult"];
                };
            };
        };
    };
    get_event: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the event. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliver_at": null,
                     *       "event": {
                     *         "data": {
                     *           "number": "A-17",
                     *           "total": 129.5
                     *         },
                     *         "id": "evt_01m83t2ghzevcannga6my0t006",
                     *         "source": "urn:waypost:tnt_01m83t2ghzevcannga6my0t001",
                     *         "specversion": "1.0",
                     *         "subject": "A-17",
                     *         "time": "2026-05-04T12:30:00Z",
                     *         "type": "order.paid"
                     *       },
                     *       "event_id": "evt_01m83t2ghzevcannga6my0t006",
                     *       "id": "evt_01m83t2ghzevcannga6my0t006",
                     *       "payload_deleted_at": null,
                     *       "routing": "routed",
                     *       "source": "urn:waypost:tnt_01m83t2ghzevcannga6my0t001",
                     *       "subject": "A-17",
                     *       "type": "order.paid",
                     *       "warnings": null
                     *     }
                     */
                    "application/json": components["schemas"]["EventDetail"];
                };
            };
        };
    };
    cancel_event: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the event. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliver_at": "2026-05-04T12:30:00Z",
                     *       "event_id": "evt_01m83t2ghzevcannga6my0t004",
                     *       "id": "evt_01m83t2ghzevcannga6my0t004",
                     *       "payload_deleted_at": null,
                     *       "routing": "cancelled",
                     *       "source": "urn:waypost:tnt_01m83t2ghzevcannga6my0t001",
                     *       "subject": null,
                     *       "type": "order.reminder"
                     *     }
                     */
                    "application/json": components["schemas"]["Event"];
                };
            };
        };
    };
    list_event_deliveries: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /**
                 * @description Class of the latest failure, such as `timeout`.
                 *
                 *     * `status` - The response was no success
                 *     * `timeout` - No response before the timeout
                 *     * `dns` - Host name not found
                 *     * `connect` - Connection refused: no server listens at this port of the host; check the port, and that it runs
                 *     * `unreachable` - Host unreachable: no route leads to its address; check its DNS record, network and firewall
                 *     * `reset` - Connection closed before the status line of a response
                 *     * `tls` - TLS handshake failed: check the TLS settings of the server; does it require a client certificate?
                 *     * `tls_expired` - The certificate of the server is expired or not valid yet: renew it
                 *     * `tls_name` - The certificate of the server is for another host name: issue one for the host of the URL
                 *     * `tls_issuer` - The issuer of the certificate is unknown: have the server send its intermediate certificates, use a public authority, or set the endpoint's `tls.ca`
                 *     * `tls_version` - The server has no TLS 1.2 or later: enable it
                 *     * `tls_plaintext` - The server does not speak TLS at this port: check scheme and port of the URL
                 *     * `tls_client` - The server requires a client certificate, or does not accept ours: check the endpoint's `tls`
                 *     * `forbidden` - Address not allowed
                 *     * `protocol` - Response has no valid HTTP status line: check scheme and port of the URL
                 *     * `refused` - The destination did not accept this message: see its response
                 *     * `too_large` - The message is larger than the destination accepts; nothing was sent: send a reference instead
                 *     * `access_denied` - Access denied: check the credentials of the endpoint, and what they allow
                 *     * `not_found` - The destination has no such queue, topic, stream or table: check the settings of the endpoint
                 *     * `throttled` - The destination accepts no more messages for now: set a rate limit, or raise its quota
                 *     * `unavailable` - The destination has an error of its own: see its response
                 *     * `unsigned` - Signing failed: no usable secret; nothing was sent
                 *     * `credentials` - No OAuth token or unreadable credentials; nothing was sent
                 *     * `internal` - Internal error (see the log); nothing was sent
                 *     * `unknown` - Unknown result: the worker crashed
                 */
                error?: "status" | "timeout" | "dns" | "connect" | "unreachable" | "reset" | "tls" | "tls_expired" | "tls_name" | "tls_issuer" | "tls_version" | "tls_plaintext" | "tls_client" | "forbidden" | "protocol" | "refused" | "too_large" | "access_denied" | "not_found" | "throttled" | "unavailable" | "unsigned" | "credentials" | "internal" | "unknown";
                /** @description Related objects to include with each item, separated by commas: event, attempts. */
                include?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Id of the replay that sent it again. */
                replay?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /**
                 * @description State of the delivery.
                 *
                 *     * `pending` - Pending
                 *     * `sending` - Sending
                 *     * `delivered` - Delivered
                 *     * `dead` - Dead
                 *     * `cancelled` - Cancelled
                 *     * `superseded` - Superseded by a newer delivery of its key
                 */
                state?: "pending" | "sending" | "delivered" | "dead" | "cancelled" | "superseded";
                /** @description HTTP status of the latest attempt, or a class of them: `503`, `5xx`. */
                status?: string;
                /** @description Id of the delivery that was sent in their place. */
                superseded_by?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the event. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "attempts_made": 1,
                     *           "cancelled_at": null,
                     *           "cancelled_by": null,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *           "event": "evt_01m83t2ghzevcannga6my0t006",
                     *           "id": "dlv_01m83t2ghzevcannga6my0t004",
                     *           "last_error": "",
                     *           "last_status": 204,
                     *           "next_attempt_at": null,
                     *           "replay": null,
                     *           "state": "delivered",
                     *           "superseded_at": null,
                     *           "superseded_by": null,
                     *           "supersedes": 0,
                     *           "type": "order.paid"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["DeliveryPage"];
                };
            };
        };
    };
    explain_event: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Explain only this endpoint: id or `uid`. */
                endpoint?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the event. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "delivery": null,
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t004",
                     *           "endpoint_state": "active",
                     *           "masks": [],
                     *           "more_reasons": 0,
                     *           "outcome": "not_sent",
                     *           "reasons": [
                     *             {
                     *               "code": "no_subscription",
                     *               "detail": "The endpoint has no subscriptions.",
                     *               "mismatches": [],
                     *               "subscription": null
                     *             }
                     *           ],
                     *           "url": "https://example.com/webhooks"
                     *         },
                     *         {
                     *           "delivery": null,
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t003",
                     *           "endpoint_state": "active",
                     *           "masks": [],
                     *           "more_reasons": 0,
                     *           "outcome": "not_sent",
                     *           "reasons": [
                     *             {
                     *               "code": "type",
                     *               "detail": "Subscribed types chat.* do not include order.paid.",
                     *               "mismatches": [],
                     *               "subscription": "sub_01m83t2ghzevcannga6my0t003"
                     *             }
                     *           ],
                     *           "url": "https://example.com/webhooks"
                     *         },
                     *         {
                     *           "delivery": "dlv_01m83t2ghzevcannga6my0t004",
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *           "endpoint_state": "active",
                     *           "masks": [],
                     *           "more_reasons": 0,
                     *           "outcome": "delivered",
                     *           "reasons": [
                     *             {
                     *               "code": "delivered",
                     *               "detail": "Delivered.",
                     *               "mismatches": [],
                     *               "subscription": null
                     *             }
                     *           ],
                     *           "url": "https://example.com/webhooks"
                     *         }
                     *       ],
                     *       "message": null,
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["ExplanationPage"];
                };
            };
        };
    };
    delete_event_payload: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the event. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliver_at": null,
                     *       "event_id": "evt_01m83t2ghzevcannga6my0t006",
                     *       "id": "evt_01m83t2ghzevcannga6my0t006",
                     *       "payload_deleted_at": "2026-05-04T12:30:00Z",
                     *       "routing": "routed",
                     *       "source": "urn:waypost:tnt_01m83t2ghzevcannga6my0t001",
                     *       "subject": "A-17",
                     *       "type": "order.paid"
                     *     }
                     */
                    "application/json": components["schemas"]["Event"];
                };
            };
        };
    };
    create_event_batch: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventCreateRequest"][];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "accepted": 1,
                     *       "data": [
                     *         {
                     *           "deliveries": 0,
                     *           "duplicate": false,
                     *           "event_id": "evt_01m83t2ghzevcannga6my0t008",
                     *           "id": "evt_01m83t2ghzevcannga6my0t008",
                     *           "routing": "routed",
                     *           "source": "urn:waypost:tnt_01m83t2ghzevcannga6my0t001",
                     *           "status": "accepted"
                     *         },
                     *         {
                     *           "error": {
                     *             "code": "invalid",
                     *             "detail": "type: is missing",
                     *             "errors": [
                     *               {
                     *                 "code": "required",
                     *                 "detail": "is missing",
                     *                 "field": "type",
                     *                 "pointer": "#/type"
                     *               }
                     *             ],
                     *             "status": 400,
                     *             "title": "Invalid request",
                     *             "type": "https://example.com/problems/invalid/"
                     *           },
                     *           "status": "rejected"
                     *         }
                     *       ],
                     *       "rejected": 1
                     *     }
                     */
                    "application/json": components["schemas"]["PublishBatchResult"];
                };
            };
        };
    };
    list_grants: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Whether the grant has ended. Default: both. */
                ended?: boolean;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "description": "Orders for our warehouse",
                     *           "ended_at": null,
                     *           "event_types": [
                     *             "order.*"
                     *           ],
                     *           "grantee": "tnt_01m83t2ghzevcannga6my0t002",
                     *           "id": "gnt_01m83t2ghzevcannga6my0t001",
                     *           "pattern": null,
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "updated_at": "2026-05-04T12:30:00Z"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["GrantPage"];
                };
            };
        };
    };
    create_grant: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "description": "Orders for our warehouse",
                 *       "event_types": [
                 *         "order.*"
                 *       ],
                 *       "grantee": "tnt_01m83t2ghzevcannga6my0t002"
                 *     }
                 */
                "application/json": components["schemas"]["GrantRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "Orders for our warehouse",
                     *       "ended_at": null,
                     *       "event_types": [
                     *         "order.*"
                     *       ],
                     *       "grantee": "tnt_01m83t2ghzevcannga6my0t002",
                     *       "id": "gnt_01m83t2ghzevcannga6my0t001",
                     *       "pattern": null,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Grant"];
                };
            };
        };
    };
    get_grant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the grant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "Orders for our warehouse",
                     *       "ended_at": null,
                     *       "event_types": [
                     *         "order.*"
                     *       ],
                     *       "grantee": "tnt_01m83t2ghzevcannga6my0t002",
                     *       "id": "gnt_01m83t2ghzevcannga6my0t001",
                     *       "pattern": null,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Grant"];
                };
            };
        };
    };
    replace_grant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the grant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "description": "Orders for our warehouse",
                 *       "event_types": [
                 *         "order.*"
                 *       ],
                 *       "grantee": "tnt_01m83t2ghzevcannga6my0t002"
                 *     }
                 */
                "application/json": components["schemas"]["GrantRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "Orders for our warehouse",
                     *       "ended_at": null,
                     *       "event_types": [
                     *         "order.*"
                     *       ],
                     *       "grantee": "tnt_01m83t2ghzevcannga6my0t002",
                     *       "id": "gnt_01m83t2ghzevcannga6my0t001",
                     *       "pattern": null,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Grant"];
                };
            };
        };
    };
    delete_grant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the grant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_grant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the grant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "event_types": [
                 *         "order.paid"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["GrantUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "Orders for our warehouse",
                     *       "ended_at": null,
                     *       "event_types": [
                     *         "order.paid"
                     *       ],
                     *       "grantee": "tnt_01m83t2ghzevcannga6my0t002",
                     *       "id": "gnt_01m83t2ghzevcannga6my0t001",
                     *       "pattern": null,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Grant"];
                };
            };
        };
    };
    get_history: {
        parameters: {
            query?: {
                /** @description First day (UTC); by month, the whole month counts. Default: 29 days before `to`. */
                from?: string;
                /**
                 * @description Period of a row.
                 *
                 *     * `day` - One row for each day
                 *     * `month` - One row for each month
                 */
                granularity?: "day" | "month";
                /** @description Last day (UTC), included. Default: today. */
                to?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "attempts": 0,
                     *           "begins_at": "2026-05-04T12:30:00Z",
                     *           "dead_letters": 0,
                     *           "delivered": 0,
                     *           "deliveries": 0,
                     *           "events": 0,
                     *           "failed": 0,
                     *           "failures": {},
                     *           "latency_ms": {
                     *             "p50": null,
                     *             "p95": null
                     *           },
                     *           "open_dead_letters": null,
                     *           "pending": null,
                     *           "rejected": 0
                     *         }
                     *       ],
                     *       "total": {
                     *         "attempts": 0,
                     *         "begins_at": "2026-05-04T12:30:00Z",
                     *         "dead_letters": 0,
                     *         "delivered": 0,
                     *         "deliveries": 0,
                     *         "events": 0,
                     *         "failed": 0,
                     *         "failures": {},
                     *         "latency_ms": {
                     *           "p50": null,
                     *           "p95": null
                     *         },
                     *         "open_dead_letters": null,
                     *         "pending": null,
                     *         "rejected": 0
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["History"];
                };
            };
        };
    };
    list_inspectors: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "expires_at": "2026-05-04T12:30:00Z",
                     *           "id": "insp_01m83t2ghzevcannga6my0t001",
                     *           "name": "Shop",
                     *           "page_url": "https://example.com/inspectors/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/",
                     *           "response_delay_ms": 0,
                     *           "response_status": 200,
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "url": "https://example.com/inspect/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["InspectorPage"];
                };
            };
        };
    };
    create_inspector: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "expires_in": 3600,
                 *       "name": "Shop"
                 *     }
                 */
                "application/json": components["schemas"]["InspectorCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": "2026-05-04T12:30:00Z",
                     *       "id": "insp_01m83t2ghzevcannga6my0t001",
                     *       "name": "Shop",
                     *       "page_url": "https://example.com/inspectors/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/",
                     *       "response_delay_ms": 0,
                     *       "response_status": 200,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "url": "https://example.com/inspect/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/"
                     *     }
                     */
                    "application/json": components["schemas"]["Inspector"];
                };
            };
        };
    };
    get_inspector: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the inspector. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": "2026-05-04T12:30:00Z",
                     *       "id": "insp_01m83t2ghzevcannga6my0t001",
                     *       "name": "Shop",
                     *       "page_url": "https://example.com/inspectors/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/",
                     *       "response_delay_ms": 0,
                     *       "response_status": 200,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "url": "https://example.com/inspect/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/"
                     *     }
                     */
                    "application/json": components["schemas"]["Inspector"];
                };
            };
        };
    };
    delete_inspector: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the inspector. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_inspector: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the inspector. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "response_status": 503
                 *     }
                 */
                "application/json": components["schemas"]["InspectorUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": "2026-05-04T12:30:00Z",
                     *       "id": "insp_01m83t2ghzevcannga6my0t001",
                     *       "name": "Shop",
                     *       "page_url": "https://example.com/inspectors/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/",
                     *       "response_delay_ms": 0,
                     *       "response_status": 503,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "url": "https://example.com/inspect/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/"
                     *     }
                     */
                    "application/json": components["schemas"]["Inspector"];
                };
            };
        };
    };
    list_inspector_requests: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the inspector. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "body": "{\"hello\":\"world\"}",
                     *           "body_base64": null,
                     *           "body_bytes": 17,
                     *           "endpoint": null,
                     *           "headers": {
                     *             "content-length": "17",
                     *             "content-type": "application/json",
                     *             "cookie": "[removed]"
                     *           },
                     *           "id": "irq_01m83t2ghzevcannga6my0t001",
                     *           "is_verified": null,
                     *           "method": "POST",
                     *           "path": "/inspect/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/",
                     *           "received_at": "2026-05-04T12:30:00Z",
                     *           "response_status": 503,
                     *           "verification": "No endpoint of the tenant has this inspector's URL."
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["InspectedRequestPage"];
                };
            };
        };
    };
    list_keys: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "endpoint": null,
                     *           "expires_at": null,
                     *           "id": "key_01m83t2ghzevcannga6my0t001",
                     *           "last_used_at": null,
                     *           "name": "Backend",
                     *           "prefix": "wp_c2VjcmV0",
                     *           "revoked_at": null,
                     *           "scopes": [
                     *             "publish",
                     *             "read"
                     *           ],
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001"
                     *         },
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "endpoint": null,
                     *           "expires_at": null,
                     *           "id": "key_01m83t2ghzevcannga6my0t002",
                     *           "last_used_at": "2026-05-04T12:30:00Z",
                     *           "name": "",
                     *           "prefix": "wp_c2VjcmV0",
                     *           "revoked_at": null,
                     *           "scopes": [
                     *             "publish",
                     *             "manage",
                     *             "read",
                     *             "consume"
                     *           ],
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["ApiKeyPage"];
                };
            };
        };
    };
    create_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Backend",
                 *       "scopes": [
                 *         "publish",
                 *         "read"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["ApiKeyCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": null,
                     *       "expires_at": null,
                     *       "id": "key_01m83t2ghzevcannga6my0t001",
                     *       "key": "wp_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA",
                     *       "last_used_at": null,
                     *       "name": "Backend",
                     *       "prefix": "wp_c2VjcmV0",
                     *       "revoked_at": null,
                     *       "scopes": [
                     *         "publish",
                     *         "read"
                     *       ],
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001"
                     *     }
                     */
                    "application/json": components["schemas"]["ApiKeyWithSecret"];
                };
            };
        };
    };
    get_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the key. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": null,
                     *       "expires_at": null,
                     *       "id": "key_01m83t2ghzevcannga6my0t001",
                     *       "last_used_at": null,
                     *       "name": "Backend",
                     *       "prefix": "wp_c2VjcmV0",
                     *       "revoked_at": null,
                     *       "scopes": [
                     *         "publish",
                     *         "read"
                     *       ],
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001"
                     *     }
                     */
                    "application/json": components["schemas"]["ApiKey"];
                };
            };
        };
    };
    delete_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the key. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    rotate_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the key. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "overlap_seconds": 3600
                 *     }
                 */
                "application/json": components["schemas"]["ApiKeyRotationRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint": null,
                     *       "expires_at": null,
                     *       "id": "key_01m83t2ghzevcannga6my0t003",
                     *       "key": "wp_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA",
                     *       "last_used_at": null,
                     *       "name": "Backend",
                     *       "prefix": "wp_c2VjcmV0",
                     *       "revoked_at": null,
                     *       "scopes": [
                     *         "publish",
                     *         "read"
                     *       ],
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001"
                     *     }
                     */
                    "application/json": components["schemas"]["ApiKeyWithSecret"];
                };
            };
        };
    };
    get_masking_keys: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "is_current": true,
                     *           "key": "dGhlIGtleSBvZiBhbiBleGFtcGxlLCAzMiBieXRlcyE",
                     *           "key_id": "tnt_01m83t2ghzevcannga6my0t001.2"
                     *         },
                     *         {
                     *           "created_at": null,
                     *           "is_current": false,
                     *           "key": "dGhlIGtleSBvZiBhbiBleGFtcGxlLCAzMiBieXRlcyE",
                     *           "key_id": "tnt_01m83t2ghzevcannga6my0t001"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["MaskingKeys"];
                };
            };
        };
    };
    rotate_masking_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "of_platform": false
                 *     }
                 */
                "application/json": components["schemas"]["MaskingKeyRotationRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "is_current": true,
                     *       "key": "dGhlIGtleSBvZiBhbiBleGFtcGxlLCAzMiBieXRlcyE",
                     *       "key_id": "tnt_01m83t2ghzevcannga6my0t001.2"
                     *     }
                     */
                    "application/json": components["schemas"]["MaskingKey"];
                };
            };
        };
    };
    list_plans: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "endpoint_types": null,
                     *           "events_per_month": 100000,
                     *           "id": "pln_01m83t2ghzevcannga6my0t001",
                     *           "is_default": false,
                     *           "max_endpoints": 10000,
                     *           "max_event_bytes": null,
                     *           "max_retention_days": null,
                     *           "max_schedules": 10000,
                     *           "max_sources": 1000,
                     *           "max_subscription_bytes": 33554432,
                     *           "max_subscriptions": 10000,
                     *           "min_schedule_interval_seconds": null,
                     *           "name": "Starter",
                     *           "publish_rate": 50,
                     *           "uid": "starter",
                     *           "updated_at": "2026-05-04T12:30:00Z"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["PlanPage"];
                };
            };
        };
    };
    create_plan: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "events_per_month": 100000,
                 *       "name": "Starter",
                 *       "publish_rate": 50,
                 *       "uid": "starter"
                 *     }
                 */
                "application/json": components["schemas"]["PlanRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint_types": null,
                     *       "events_per_month": 100000,
                     *       "id": "pln_01m83t2ghzevcannga6my0t001",
                     *       "is_default": false,
                     *       "max_endpoints": 10000,
                     *       "max_event_bytes": null,
                     *       "max_retention_days": null,
                     *       "max_schedules": 10000,
                     *       "max_sources": 1000,
                     *       "max_subscription_bytes": 33554432,
                     *       "max_subscriptions": 10000,
                     *       "min_schedule_interval_seconds": null,
                     *       "name": "Starter",
                     *       "publish_rate": 50,
                     *       "uid": "starter",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    get_plan: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the plan. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint_types": null,
                     *       "events_per_month": 100000,
                     *       "id": "pln_01m83t2ghzevcannga6my0t001",
                     *       "is_default": false,
                     *       "max_endpoints": 10000,
                     *       "max_event_bytes": null,
                     *       "max_retention_days": null,
                     *       "max_schedules": 10000,
                     *       "max_sources": 1000,
                     *       "max_subscription_bytes": 33554432,
                     *       "max_subscriptions": 10000,
                     *       "min_schedule_interval_seconds": null,
                     *       "name": "Starter",
                     *       "publish_rate": 50,
                     *       "uid": "starter",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    replace_plan: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the plan. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "events_per_month": 100000,
                 *       "max_endpoints": 20,
                 *       "name": "Starter",
                 *       "publish_rate": 50,
                 *       "uid": "starter"
                 *     }
                 */
                "application/json": components["schemas"]["PlanRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint_types": null,
                     *       "events_per_month": 100000,
                     *       "id": "pln_01m83t2ghzevcannga6my0t001",
                     *       "is_default": false,
                     *       "max_endpoints": 20,
                     *       "max_event_bytes": null,
                     *       "max_retention_days": null,
                     *       "max_schedules": 10000,
                     *       "max_sources": 1000,
                     *       "max_subscription_bytes": 33554432,
                     *       "max_subscriptions": 10000,
                     *       "min_schedule_interval_seconds": null,
                     *       "name": "Starter",
                     *       "publish_rate": 50,
                     *       "uid": "starter",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    delete_plan: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the plan. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_plan: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the plan. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "publish_rate": 100
                 *     }
                 */
                "application/json": components["schemas"]["PlanUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "endpoint_types": null,
                     *       "events_per_month": 100000,
                     *       "id": "pln_01m83t2ghzevcannga6my0t001",
                     *       "is_default": false,
                     *       "max_endpoints": 20,
                     *       "max_event_bytes": null,
                     *       "max_retention_days": null,
                     *       "max_schedules": 10000,
                     *       "max_sources": 1000,
                     *       "max_subscription_bytes": 33554432,
                     *       "max_subscriptions": 10000,
                     *       "min_schedule_interval_seconds": null,
                     *       "name": "Starter",
                     *       "publish_rate": 100,
                     *       "uid": "starter",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Plan"];
                };
            };
        };
    };
    list_portal_links: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "capabilities": [
                     *             "view",
                     *             "manage",
                     *             "replay"
                     *           ],
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "created_by": "wp_c2VjcmV0…",
                     *           "endpoint": null,
                     *           "expires_at": "2026-05-04T12:30:00Z",
                     *           "id": "plk_01m83t2ghzevcannga6my0t001",
                     *           "language": null,
                     *           "last_used_at": null,
                     *           "opened_at": null,
                     *           "opened_from": "",
                     *           "return_url": "https://example.com/settings",
                     *           "revoked_at": null,
                     *           "session_expires_at": null,
                     *           "session_seconds": 3600,
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "theme": {
                     *             "accent": "#2456c4",
                     *             "mode": "auto",
                     *             "name": "Acme Webhooks"
                     *           },
                     *           "user": "ada@example.com"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["PortalLinkPage"];
                };
            };
        };
    };
    create_portal_link: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "capabilities": [
                 *         "view",
                 *         "manage",
                 *         "replay"
                 *       ],
                 *       "return_url": "https://example.com/settings",
                 *       "theme": {
                 *         "accent": "#2456c4",
                 *         "mode": "auto",
                 *         "name": "Acme Webhooks"
                 *       },
                 *       "user": "ada@example.com"
                 *     }
                 */
                "application/json": components["schemas"]["PortalLinkCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "capabilities": [
                     *         "view",
                     *         "manage",
                     *         "replay"
                     *       ],
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "created_by": "wp_c2VjcmV0…",
                     *       "endpoint": null,
                     *       "expires_at": "2026-05-04T12:30:00Z",
                     *       "id": "plk_01m83t2ghzevcannga6my0t001",
                     *       "language": null,
                     *       "last_used_at": null,
                     *       "opened_at": null,
                     *       "opened_from": "",
                     *       "return_url": "https://example.com/settings",
                     *       "revoked_at": null,
                     *       "session_expires_at": null,
                     *       "session_seconds": 3600,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "theme": {
                     *         "accent": "#2456c4",
                     *         "mode": "auto",
                     *         "name": "Acme Webhooks"
                     *       },
                     *       "url": "https://example.com/portal/open/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/",
                     *       "user": "ada@example.com"
                     *     }
                     */
                    "application/json": components["schemas"]["PortalLinkWithUrl"];
                };
            };
        };
    };
    get_portal_link: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the portal link. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "capabilities": [
                     *         "view",
                     *         "manage",
                     *         "replay"
                     *       ],
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "created_by": "wp_c2VjcmV0…",
                     *       "endpoint": null,
                     *       "expires_at": "2026-05-04T12:30:00Z",
                     *       "id": "plk_01m83t2ghzevcannga6my0t001",
                     *       "language": null,
                     *       "last_used_at": null,
                     *       "opened_at": null,
                     *       "opened_from": "",
                     *       "return_url": "https://example.com/settings",
                     *       "revoked_at": null,
                     *       "session_expires_at": null,
                     *       "session_seconds": 3600,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "theme": {
                     *         "accent": "#2456c4",
                     *         "mode": "auto",
                     *         "name": "Acme Webhooks"
                     *       },
                     *       "user": "ada@example.com"
                     *     }
                     */
                    "application/json": components["schemas"]["PortalLink"];
                };
            };
        };
    };
    delete_portal_link: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the portal link. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_receipt_replays: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /**
                 * @description State of the replay.
                 *
                 *     * `running` - Running
                 *     * `finished` - Finished
                 *     * `cancelled` - Cancelled
                 */
                state?: "running" | "finished" | "cancelled";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "filter": {
                     *             "source": "src_01m83t2ghzevcannga6my0t001",
                     *             "state": "dead"
                     *           },
                     *           "finished_at": null,
                     *           "id": "rrp_01m83t2ghzevcannga6my0t001",
                     *           "is_lower_bound": false,
                     *           "rate": 50,
                     *           "replayed": 0,
                     *           "requested_by": "wp_c2VjcmV0…",
                     *           "state": "running",
                     *           "total": 0
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["ReceiptReplayPage"];
                };
            };
        };
    };
    create_receipt_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "source": "src_01m83t2ghzevcannga6my0t001"
                 *       },
                 *       "rate": 50
                 *     }
                 */
                "application/json": components["schemas"]["ReceiptReplayCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "filter": {
                     *         "source": "src_01m83t2ghzevcannga6my0t001",
                     *         "state": "dead"
                     *       },
                     *       "finished_at": null,
                     *       "id": "rrp_01m83t2ghzevcannga6my0t001",
                     *       "is_lower_bound": false,
                     *       "rate": 50,
                     *       "receipts": {
                     *         "dead": 0,
                     *         "is_lower_bound": false,
                     *         "pending": 0,
                     *         "processed": 0
                     *       },
                     *       "replayed": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "running",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["ReceiptReplayDetail"];
                };
            };
        };
    };
    get_receipt_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the receipt replay. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "filter": {
                     *         "source": "src_01m83t2ghzevcannga6my0t001",
                     *         "state": "dead"
                     *       },
                     *       "finished_at": null,
                     *       "id": "rrp_01m83t2ghzevcannga6my0t001",
                     *       "is_lower_bound": false,
                     *       "rate": 50,
                     *       "receipts": {
                     *         "dead": 0,
                     *         "is_lower_bound": false,
                     *         "pending": 0,
                     *         "processed": 0
                     *       },
                     *       "replayed": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "running",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["ReceiptReplayDetail"];
                };
            };
        };
    };
    cancel_receipt_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the receipt replay. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "filter": {
                     *         "source": "src_01m83t2ghzevcannga6my0t001",
                     *         "state": "dead"
                     *       },
                     *       "finished_at": "2026-05-04T12:30:00Z",
                     *       "id": "rrp_01m83t2ghzevcannga6my0t001",
                     *       "is_lower_bound": false,
                     *       "rate": 50,
                     *       "replayed": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "state": "cancelled",
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["ReceiptReplay"];
                };
            };
        };
    };
    preview_receipt_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "source": "src_01m83t2ghzevcannga6my0t001"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["ReceiptSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "is_lower_bound": false,
                     *       "total": 0
                     *     }
                     */
                    "application/json": components["schemas"]["SelectionCount"];
                };
            };
        };
    };
    list_receipts: {
        parameters: {
            query?: {
                /**
                 * @description Why the receipt is dead.
                 *
                 *     * `exhausted` - Retries exhausted
                 *     * `handler_gave_up` - A handler raised GiveUp
                 *     * `crashed_worker` - Crashed its worker repeatedly
                 *     * `unreadable_body` - Its body is not what a handler reads it as
                 *     * `tenant_deleted` - Its tenant was deleted
                 */
                cause?: "exhausted" | "handler_gave_up" | "crashed_worker" | "unreadable_body" | "tenant_deleted";
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Event type of the message: one (`order.paid`), all below one (`order.*`), or all (`*`). */
                event_type?: string;
                /** @description Labels that the source has, all of them: `env:prod`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description The sender's id of the message, exact. */
                message_id?: string;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Order key of the message, exact. */
                order_key?: string;
                /** @description Whether a later message of the same order key was handled before this one. */
                out_of_order?: boolean;
                /** @description Text in the message id, event type, order key or last error, ignoring case. */
                q?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description Whether it was not handled because it was out of order. */
                skipped?: boolean;
                /** @description Id or `uid` of a source. */
                source?: string;
                /**
                 * @description State of the receipt.
                 *
                 *     * `pending` - pending
                 *     * `processed` - processed
                 *     * `dead` - dead
                 */
                state?: "pending" | "processed" | "dead";
                /** @description Whether it was processed and matched no handler, although its source has handlers. */
                unhandled?: boolean;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "attempts": 1,
                     *           "cause": null,
                     *           "content_type": "application/json",
                     *           "dead_at": null,
                     *           "due_at": null,
                     *           "event_type": "push",
                     *           "handled_by": [
                     *             "log"
                     *           ],
                     *           "headers": {
                     *             "content-length": "40",
                     *             "content-type": "application/json",
                     *             "host": "hooks.example.com",
                     *             "x-github-delivery": "msg_01m83t2ghzevcannga6my0t001",
                     *             "x-github-event": "push",
                     *             "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *           },
                     *           "id": "rcp_01m83t2ghzevcannga6my0t001",
                     *           "last_error": "",
                     *           "message_id": "msg_01m83t2ghzevcannga6my0t001",
                     *           "order_key": "",
                     *           "out_of_order": false,
                     *           "processed_at": "2026-05-04T12:30:00Z",
                     *           "received_at": "2026-05-04T12:30:00Z",
                     *           "secret": "sec_01m83t2ghzevcannga6my0t004",
                     *           "secret_name": "",
                     *           "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *           "size": 40,
                     *           "skipped": false,
                     *           "source": "src_01m83t2ghzevcannga6my0t001",
                     *           "state": "processed",
                     *           "unhandled": false
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["ReceiptPage"];
                };
            };
        };
    };
    get_receipt: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the receipt. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts": 1,
                     *       "cause": null,
                     *       "content_type": "application/json",
                     *       "dead_at": null,
                     *       "due_at": null,
                     *       "event_type": "push",
                     *       "handled_by": [
                     *         "log"
                     *       ],
                     *       "headers": {
                     *         "content-length": "40",
                     *         "content-type": "application/json",
                     *         "host": "hooks.example.com",
                     *         "x-github-delivery": "msg_01m83t2ghzevcannga6my0t001",
                     *         "x-github-event": "push",
                     *         "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *       },
                     *       "id": "rcp_01m83t2ghzevcannga6my0t001",
                     *       "last_error": "",
                     *       "message_id": "msg_01m83t2ghzevcannga6my0t001",
                     *       "order_key": "",
                     *       "out_of_order": false,
                     *       "processed_at": "2026-05-04T12:30:00Z",
                     *       "received_at": "2026-05-04T12:30:00Z",
                     *       "secret": "sec_01m83t2ghzevcannga6my0t004",
                     *       "secret_name": "",
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size": 40,
                     *       "skipped": false,
                     *       "source": "src_01m83t2ghzevcannga6my0t001",
                     *       "state": "processed",
                     *       "unhandled": false
                     *     }
                     */
                    "application/json": components["schemas"]["Receipt"];
                };
            };
        };
    };
    list_receipt_attempts: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the receipt. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "ended_at": "2026-05-04T12:30:00Z",
                     *           "error": "",
                     *           "number": 1,
                     *           "outcome": "processed",
                     *           "steps": [],
                     *           "traceback": ""
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ReceiptAttempts"];
                };
            };
        };
    };
    get_receipt_body: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the receipt. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
        };
    };
    replay_receipt: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the receipt. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts": 0,
                     *       "cause": null,
                     *       "content_type": "application/json",
                     *       "dead_at": null,
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "event_type": "push",
                     *       "handled_by": [
                     *         "log"
                     *       ],
                     *       "headers": {
                     *         "content-length": "40",
                     *         "content-type": "application/json",
                     *         "host": "hooks.example.com",
                     *         "x-github-delivery": "msg_01m83t2ghzevcannga6my0t001",
                     *         "x-github-event": "push",
                     *         "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *       },
                     *       "id": "rcp_01m83t2ghzevcannga6my0t001",
                     *       "last_error": "",
                     *       "message_id": "msg_01m83t2ghzevcannga6my0t001",
                     *       "order_key": "",
                     *       "out_of_order": false,
                     *       "processed_at": null,
                     *       "received_at": "2026-05-04T12:30:00Z",
                     *       "secret": "sec_01m83t2ghzevcannga6my0t004",
                     *       "secret_name": "",
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size": 40,
                     *       "skipped": false,
                     *       "source": "src_01m83t2ghzevcannga6my0t001",
                     *       "state": "pending",
                     *       "unhandled": false
                     *     }
                     */
                    "application/json": components["schemas"]["Receipt"];
                };
            };
        };
    };
    retry_receipt: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the receipt. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts": 0,
                     *       "cause": null,
                     *       "content_type": "application/json",
                     *       "dead_at": null,
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "event_type": "push",
                     *       "handled_by": [
                     *         "log"
                     *       ],
                     *       "headers": {
                     *         "content-length": "40",
                     *         "content-type": "application/json",
                     *         "host": "hooks.example.com",
                     *         "x-github-delivery": "msg_01m83t2ghzevcannga6my0t001",
                     *         "x-github-event": "push",
                     *         "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *       },
                     *       "id": "rcp_01m83t2ghzevcannga6my0t001",
                     *       "last_error": "",
                     *       "message_id": "msg_01m83t2ghzevcannga6my0t001",
                     *       "order_key": "",
                     *       "out_of_order": false,
                     *       "processed_at": null,
                     *       "received_at": "2026-05-04T12:30:00Z",
                     *       "secret": "sec_01m83t2ghzevcannga6my0t004",
                     *       "secret_name": "",
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size": 40,
                     *       "skipped": false,
                     *       "source": "src_01m83t2ghzevcannga6my0t001",
                     *       "state": "pending",
                     *       "unhandled": false
                     *     }
                     */
                    "application/json": components["schemas"]["Receipt"];
                };
            };
        };
    };
    list_rejections: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Labels that the source has, all of them: `env:prod`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the detail or the address, ignoring case. */
                q?: string;
                /**
                 * @description Code of the failed check, such as `no_match`.
                 *
                 *     * `bad_options` - bad_options
                 *     * `bad_secret` - bad_secret
                 *     * `body_too_large` - body_too_large
                 *     * `challenge` - challenge
                 *     * `content_type` - content_type
                 *     * `cut_short` - cut_short
                 *     * `foreign_address` - foreign_address
                 *     * `invalid_signing_input` - invalid_signing_input
                 *     * `keys_unavailable` - keys_unavailable
                 *     * `malformed_header` - malformed_header
                 *     * `missing_header` - missing_header
                 *     * `missing_url` - missing_url
                 *     * `no_length` - no_length
                 *     * `no_match` - no_match
                 *     * `not_confirmed` - not_confirmed
                 *     * `other_content` - other_content
                 *     * `stale_timestamp` - stale_timestamp
                 *     * `too_large` - too_large
                 *     * `too_slow` - too_slow
                 *     * `unknown_scheme` - unknown_scheme
                 *     * `untrusted_proxy` - untrusted_proxy
                 *     * `wrong_claim` - wrong_claim
                 */
                reason?: "bad_options" | "bad_secret" | "body_too_large" | "challenge" | "content_type" | "cut_short" | "foreign_address" | "invalid_signing_input" | "keys_unavailable" | "malformed_header" | "missing_header" | "missing_url" | "no_length" | "no_match" | "not_confirmed" | "other_content" | "stale_timestamp" | "too_large" | "too_slow" | "unknown_scheme" | "untrusted_proxy" | "wrong_claim";
                /** @description Address that the request came from, exact. */
                remote_address?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description Id or `uid` of a source. */
                source?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "detail": "No signature matches a known secret.",
                     *           "headers": {
                     *             "content-length": "25",
                     *             "content-type": "application/json",
                     *             "cookie": "[removed]",
                     *             "x-github-delivery": "d-1",
                     *             "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *           },
                     *           "id": "rej_01m83t2ghzevcannga6my0t001",
                     *           "last_valid_at": "2026-05-04T12:30:00Z",
                     *           "last_valid_secret": "sec_01m83t2ghzevcannga6my0t004",
                     *           "reason": "no_match",
                     *           "received_at": "2026-05-04T12:30:00Z",
                     *           "remote_address": "127.0.0.1",
                     *           "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *           "size": 25,
                     *           "source": "src_01m83t2ghzevcannga6my0t001",
                     *           "suppressed_count": 0
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["RejectionPage"];
                };
            };
        };
    };
    get_rejection: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the rejection. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "detail": "No signature matches a known secret.",
                     *       "headers": {
                     *         "content-length": "25",
                     *         "content-type": "application/json",
                     *         "cookie": "[removed]",
                     *         "x-github-delivery": "d-1",
                     *         "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *       },
                     *       "id": "rej_01m83t2ghzevcannga6my0t001",
                     *       "last_valid_at": "2026-05-04T12:30:00Z",
                     *       "last_valid_secret": "sec_01m83t2ghzevcannga6my0t004",
                     *       "reason": "no_match",
                     *       "received_at": "2026-05-04T12:30:00Z",
                     *       "remote_address": "127.0.0.1",
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size": 25,
                     *       "source": "src_01m83t2ghzevcannga6my0t001",
                     *       "suppressed_count": 0
                     *     }
                     */
                    "application/json": components["schemas"]["Rejection"];
                };
            };
        };
    };
    list_replays: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /**
                 * @description State of the replay.
                 *
                 *     * `running` - Running
                 *     * `finished` - Finished
                 *     * `cancelled` - Cancelled
                 */
                state?: "running" | "finished" | "cancelled";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "estimated": false,
                     *           "filter": {
                     *             "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *           },
                     *           "finished_at": null,
                     *           "id": "rpl_01m83t2ghzevcannga6my0t001",
                     *           "rate": 50,
                     *           "replayed": 0,
                     *           "requested_by": "wp_c2VjcmV0…",
                     *           "scope": "dead_letters",
                     *           "state": "running",
                     *           "total": 1
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["ReplayPage"];
                };
            };
        };
    };
    create_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                 *       },
                 *       "rate": 50
                 *     }
                 */
                "application/json": components["schemas"]["ReplayCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliveries": {
                     *         "cancelled": 0,
                     *         "dead": 0,
                     *         "delivered": 0,
                     *         "is_lower_bound": false,
                     *         "pending": 0,
                     *         "sending": 0,
                     *         "superseded": 0
                     *       },
                     *       "estimated": false,
                     *       "filter": {
                     *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *       },
                     *       "finished_at": null,
                     *       "id": "rpl_01m83t2ghzevcannga6my0t001",
                     *       "rate": 50,
                     *       "replayed": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "scope": "dead_letters",
                     *       "state": "running",
                     *       "total": 1,
                     *       "warnings": [
                     *         "erp: paused: what is sent to it waits, at most 7 days."
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ReplayDetail"];
                };
            };
        };
    };
    get_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the replay. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "deliveries": {
                     *         "cancelled": 0,
                     *         "dead": 0,
                     *         "delivered": 0,
                     *         "is_lower_bound": false,
                     *         "pending": 0,
                     *         "sending": 0,
                     *         "superseded": 0
                     *       },
                     *       "estimated": false,
                     *       "filter": {
                     *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *       },
                     *       "finished_at": null,
                     *       "id": "rpl_01m83t2ghzevcannga6my0t001",
                     *       "rate": 50,
                     *       "replayed": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "scope": "dead_letters",
                     *       "state": "running",
                     *       "total": 1,
                     *       "warnings": []
                     *     }
                     */
                    "application/json": components["schemas"]["ReplayDetail"];
                };
            };
        };
    };
    cancel_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the replay. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "estimated": false,
                     *       "filter": {
                     *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *       },
                     *       "finished_at": "2026-05-04T12:30:00Z",
                     *       "id": "rpl_01m83t2ghzevcannga6my0t001",
                     *       "rate": 50,
                     *       "replayed": 0,
                     *       "requested_by": "wp_c2VjcmV0…",
                     *       "scope": "dead_letters",
                     *       "state": "cancelled",
                     *       "total": 1
                     *     }
                     */
                    "application/json": components["schemas"]["Replay"];
                };
            };
        };
    };
    preview_replay: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["ReplaySelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "endpoints": [
                     *         {
                     *           "count": 1,
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t002"
                     *         }
                     *       ],
                     *       "estimated": false,
                     *       "is_lower_bound": false,
                     *       "left_out": 0,
                     *       "newest": "2026-05-04T12:30:00Z",
                     *       "oldest": "2026-05-04T12:30:00Z",
                     *       "total": 1,
                     *       "types": [
                     *         {
                     *           "count": 1,
                     *           "type": "order.paid"
                     *         }
                     *       ],
                     *       "warnings": [
                     *         "erp: paused: what is sent to it waits, at most 7 days."
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ReplayPreview"];
                };
            };
        };
    };
    list_schedules: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Group of the schedule, exact. */
                group?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the `uid`, the description or the expression, ignoring case. */
                q?: string;
                /**
                 * @description State of the schedule.
                 *
                 *     * `active` - Active
                 *     * `paused` - Paused
                 *     * `completed` - Completed: there are no more occurrences
                 */
                state?: "active" | "paused" | "completed";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "action_after_completion": "none",
                     *           "catch_up": "latest",
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "description": "",
                     *           "due_at": "2026-05-04T12:30:00Z",
                     *           "end_at": null,
                     *           "event": {
                     *             "data": {
                     *               "at": "<schedule.scheduled_at>"
                     *             },
                     *             "type": "order.reminder"
                     *           },
                     *           "expression": "cron(0 10 ? * MON-FRI *)",
                     *           "failures": 0,
                     *           "flexible_window_minutes": 0,
                     *           "group": "default",
                     *           "id": "sch_01m83t2ghzevcannga6my0t001",
                     *           "last_at": null,
                     *           "last_error": "",
                     *           "next_at": "2026-05-04T12:30:00Z",
                     *           "occurrences": 0,
                     *           "start_at": null,
                     *           "state": "active",
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "timezone": "Europe/Berlin",
                     *           "uid": "morning",
                     *           "updated_at": "2026-05-04T12:30:00Z"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["SchedulePage"];
                };
            };
        };
    };
    create_schedule: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ScheduleRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action_after_completion": "none",
                     *       "catch_up": "latest",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "end_at": null,
                     *       "event": {
                     *         "data": {
                     *           "at": "<schedule.scheduled_at>"
                     *         },
                     *         "type": "order.reminder"
                     *       },
                     *       "expression": "cron(0 10 ? * MON-FRI *)",
                     *       "failures": 0,
                     *       "flexible_window_minutes": 0,
                     *       "group": "default",
                     *       "id": "sch_01m83t2ghzevcannga6my0t001",
                     *       "last_at": null,
                     *       "last_error": "",
                     *       "next_at": "2026-05-04T12:30:00Z",
                     *       "occurrences": 0,
                     *       "start_at": null,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timezone": "Europe/Berlin",
                     *       "uid": "morning",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Schedule"];
                };
            };
        };
    };
    get_schedule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the schedule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action_after_completion": "none",
                     *       "catch_up": "latest",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "end_at": null,
                     *       "event": {
                     *         "data": {
                     *           "at": "<schedule.scheduled_at>"
                     *         },
                     *         "type": "order.reminder"
                     *       },
                     *       "expression": "cron(0 10 ? * MON-FRI *)",
                     *       "failures": 0,
                     *       "flexible_window_minutes": 0,
                     *       "group": "default",
                     *       "id": "sch_01m83t2ghzevcannga6my0t001",
                     *       "last_at": null,
                     *       "last_error": "",
                     *       "next_at": "2026-05-04T12:30:00Z",
                     *       "occurrences": 0,
                     *       "start_at": null,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timezone": "Europe/Berlin",
                     *       "uid": "morning",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Schedule"];
                };
            };
        };
    };
    replace_schedule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the schedule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "event": {
                 *         "data": {
                 *           "at": "<schedule.scheduled_at>"
                 *         },
                 *         "type": "order.reminder"
                 *       },
                 *       "expression": "cron(0 10 ? * MON-FRI *)",
                 *       "timezone": "Europe/Berlin"
                 *     }
                 */
                "application/json": components["schemas"]["ScheduleRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action_after_completion": "none",
                     *       "catch_up": "latest",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "end_at": null,
                     *       "event": {
                     *         "data": {
                     *           "at": "<schedule.scheduled_at>"
                     *         },
                     *         "type": "order.reminder"
                     *       },
                     *       "expression": "cron(0 10 ? * MON-FRI *)",
                     *       "failures": 0,
                     *       "flexible_window_minutes": 15,
                     *       "group": "default",
                     *       "id": "sch_01m83t2ghzevcannga6my0t001",
                     *       "last_at": null,
                     *       "last_error": "",
                     *       "next_at": "2026-05-04T12:30:00Z",
                     *       "occurrences": 0,
                     *       "start_at": null,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timezone": "Europe/Berlin",
                     *       "uid": "morning",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Schedule"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action_after_completion": "none",
                     *       "catch_up": "latest",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "end_at": null,
                     *       "event": {
                     *         "data": {
                     *           "at": "<schedule.scheduled_at>"
                     *         },
                     *         "type": "order.reminder"
                     *       },
                     *       "expression": "cron(0 10 ? * MON-FRI *)",
                     *       "failures": 0,
                     *       "flexible_window_minutes": 0,
                     *       "group": "default",
                     *       "id": "sch_01m83t2ghzevcannga6my0t003",
                     *       "last_at": null,
                     *       "last_error": "",
                     *       "next_at": "2026-05-04T12:30:00Z",
                     *       "occurrences": 0,
                     *       "start_at": null,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timezone": "Europe/Berlin",
                     *       "uid": "evening",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Schedule"];
                };
            };
        };
    };
    delete_schedule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the schedule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_schedule: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the schedule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "state": "paused"
                 *     }
                 */
                "application/json": components["schemas"]["ScheduleUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action_after_completion": "none",
                     *       "catch_up": "latest",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "due_at": null,
                     *       "end_at": null,
                     *       "event": {
                     *         "data": {
                     *           "at": "<schedule.scheduled_at>"
                     *         },
                     *         "type": "order.reminder"
                     *       },
                     *       "expression": "cron(0 10 ? * MON-FRI *)",
                     *       "failures": 0,
                     *       "flexible_window_minutes": 15,
                     *       "group": "default",
                     *       "id": "sch_01m83t2ghzevcannga6my0t001",
                     *       "last_at": null,
                     *       "last_error": "",
                     *       "next_at": null,
                     *       "occurrences": 0,
                     *       "start_at": null,
                     *       "state": "paused",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timezone": "Europe/Berlin",
                     *       "uid": "morning",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Schedule"];
                };
            };
        };
    };
    create_schedule_run: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the schedule. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "deliveries": 0,
                     *       "duplicate": false,
                     *       "event_id": "sch_01m83t2ghzevcannga6my0t001-run_01m83t2ghzevcannga6my0t001",
                     *       "id": "evt_01m83t2ghzevcannga6my0t009",
                     *       "routing": "routed",
                     *       "source": "urn:waypost:sch_01m83t2ghzevcannga6my0t001"
                     *     }
                     */
                    "application/json": components["schemas"]["PublishResult"];
                };
            };
        };
    };
    create_schedule_import: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventBridgeScheduleRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action_after_completion": "none",
                     *       "catch_up": "latest",
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "due_at": "2026-05-04T12:30:00Z",
                     *       "end_at": null,
                     *       "event": {
                     *         "data": {
                     *           "at": "<schedule.scheduled_at>"
                     *         },
                     *         "type": "Scheduled Event"
                     *       },
                     *       "expression": "at(2030-12-24T18:00:00)",
                     *       "failures": 0,
                     *       "flexible_window_minutes": 0,
                     *       "group": "default",
                     *       "id": "sch_01m83t2ghzevcannga6my0t002",
                     *       "last_at": null,
                     *       "last_error": "",
                     *       "next_at": "2026-05-04T12:30:00Z",
                     *       "occurrences": 0,
                     *       "start_at": null,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timezone": "Europe/Helsinki",
                     *       "uid": "closing-time",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Schedule"];
                };
            };
        };
    };
    create_schedule_preview: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SchedulePreviewCreateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "occurrences": [
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         },
                     *         {
                     *           "at": "2026-05-04T12:30:00Z",
                     *           "local": "2026-05-04T14:30:00+02:00"
                     *         }
                     *       ],
                     *       "shortest_interval_seconds": 86400
                     *     }
                     */
                    "application/json": components["schemas"]["SchedulePreview"];
                };
            };
        };
    };
    list_senders: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "docs": "https://opensource.adobe.com/acrobat-sign/developer_guide/webhookapis.html",
                     *           "fields": {
                     *             "event_type_path": "body:/event",
                     *             "handshake": [
                     *               {
                     *                 "headers": {
                     *                   "X-AdobeSign-ClientId": "{header:X-AdobeSign-ClientId}"
                     *                 },
                     *                 "json": {
                     *                   "xAdobeSignClientId": "{header:X-AdobeSign-ClientId}"
                     *                 },
                     *                 "method": "GET",
                     *                 "when": {
                     *                   "header:X-AdobeSign-ClientId": "{secret}"
                     *                 }
                     *               },
                     *               {
                     *                 "headers": {
                     *                   "X-AdobeSign-ClientId": "{header:X-AdobeSign-ClientId}"
                     *                 },
                     *                 "json": {
                     *                   "xAdobeSignClientId": "{header:X-AdobeSign-ClientId}"
                     *                 },
                     *                 "stored": true
                     *               }
                     *             ],
                     *             "message_id_path": "body:/webhookNotificationId",
                     *             "options": {
                     *               "header": "x-adobesign-clientid"
                     *             },
                     *             "order_key_path": "body:/agreement/id",
                     *             "scheme": "token"
                     *           },
                     *           "handshake": "GET challenge, repeated; POST challenge, repeated",
                     *           "label": "Adobe Acrobat Sign",
                     *           "logo": "adobe",
                     *           "name": "adobe-sign",
                     *           "needs": [],
                     *           "note": "",
                     *           "proof": "secret in `x-adobesign-clientid`",
                     *           "secret": "the client id of the application, which the sender repeats in each request"
                     *         },
                     *         {
                     *           "docs": "https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures",
                     *           "fields": {
                     *             "dedupe": "content",
                     *             "event_type_path": "body:/notificationItems/0/NotificationRequestItem/eventCode",
                     *             "options": {
                     *               "encoding": "base64",
                     *               "secret_encoding": "hex",
                     *               "signature_path": "body:/notificationItems/0/NotificationRequestItem/additionalData/hmacSignature",
                     *               "signed": "{body:/notificationItems/0/NotificationRequestItem/pspReference}:{body:/notificationItems/0/NotificationRequestItem/originalReference?}:{body:/notificationItems/0/NotificationRequestItem/merchantAccountCode}:{body:/notificationItems/0/NotificationRequestItem/merchantReference}:{body:/notificationItems/0/NotificationRequestItem/amount/value}:{body:/notificationItems/0/NotificationRequestItem/amount/currency}:{body:/notificationItems/0/NotificationRequestItem/eventCode}:{body:/notificationItems/0/NotificationRequestItem/success}"
                     *             },
                     *             "order_key_path": "body:/notificationItems/0/NotificationRequestItem/merchantReference",
                     *             "response_body": "[accepted]",
                     *             "response_content_type": "text/plain",
                     *             "response_status": 200,
                     *             "scheme": "hmac"
                     *           },
                     *           "handshake": "none",
                     *           "label": "Adyen",
                     *           "logo": "adyen",
                     *           "name": "adyen",
                     *           "needs": [],
                     *           "note": "Only the signed members of the first item are proven; Adyen sends one item in each message.",
                     *           "proof": "HMAC-SHA-256 of `{body:/notificationItems/0/NotificationRequestItem/pspReference}:{body:/notificationItems/0/NotificationRequestItem/originalReference?}:{body:/notificationItems/0/NotificationRequestItem/merchantAccountCode}:{body:/notificationItems/0/NotificationRequestItem/merchantReference}:{body:/notificationItems/0/NotificationRequestItem/amount/value}:{body:/notificationItems/0/NotificationRequestItem/amount/currency}:{body:/notificationItems/0/NotificationRequestItem/eventCode}:{body:/notificationItems/0/NotificationRequestItem/success}` in body `/notificationItems/0/NotificationRequestItem/additionalData/hmacSignature`",
                     *           "secret": "the HMAC key of the webhook, in hex"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SenderList"];
                };
            };
        };
    };
    list_source_kinds: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "description": "A message that a sender posts to the URL of the source becomes a receipt, once, before the response.",
                     *           "extra": "",
                     *           "installed": true,
                     *           "label": "HTTP",
                     *           "missing": [],
                     *           "name": "http",
                     *           "partitioned": false,
                     *           "seek": false,
                     *           "settings": []
                     *         },
                     *         {
                     *           "description": "Each new or changed item of an address that is polled is received once: what was seen is stored with the receipts, and an item that is read again is a duplicate by its id and content.",
                     *           "extra": "",
                     *           "installed": true,
                     *           "label": "HTTP API or feed",
                     *           "missing": [],
                     *           "name": "poll",
                     *           "partitioned": false,
                     *           "seek": true,
                     *           "settings": [
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "https://api.example.com/orders?status=open",
                     *               "help": "Address that is polled with GET: an API that returns JSON, or an RSS or Atom feed.",
                     *               "label": "URL",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "url",
                     *               "names_place": true,
                     *               "required": true,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": 300,
                     *               "example": "",
                     *               "help": "Seconds from the end of a poll to the next; a Retry-After of the server is obeyed.",
                     *               "label": "Interval",
                     *               "maximum": 604800,
                     *               "minimum": 10,
                     *               "name": "interval_seconds",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "number"
                     *             },
                     *             {
                     *               "choices": [
                     *                 "auto",
                     *                 "json",
                     *                 "feed"
                     *               ],
                     *               "credential": false,
                     *               "default": "auto",
                     *               "example": "",
                     *               "help": "Form of the response: auto reads a feed if it is XML.",
                     *               "label": "Format",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "format",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": "",
                     *               "example": "/data",
                     *               "help": "JSON pointer of the array of items in the response; empty: the response is the array, or the only item.",
                     *               "label": "Items",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "items_path",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "/id",
                     *               "help": "JSON pointer of the ID in an item; empty: /id of a feed, else the content, so that a changed item is new.",
                     *               "label": "Item ID",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "id_path",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "",
                     *               "help": "JSON pointer of the time of an item, by which new ones are sorted.",
                     *               "label": "Item time",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "time_path",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": true,
                     *               "example": "",
                     *               "help": "Whether an item whose content has changed makes an event, too.",
                     *               "label": "Changed items",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "changes",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "boolean"
                     *             },
                     *             {
                     *               "choices": [
                     *                 "none",
                     *                 "all"
                     *               ],
                     *               "credential": false,
                     *               "default": "none",
                     *               "example": "",
                     *               "help": "What the first poll makes of the items that are there: events of all, or of none.",
                     *               "label": "First poll",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "first",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "/paging/next",
                     *               "help": "JSON pointer of the URL of the next page, or of its token; empty: the link with rel=next of the header Link. Pages are followed as long as they have new items.",
                     *               "label": "Next page",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "next_path",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "page_token",
                     *               "help": "Query parameter for the token at the next page's path; empty: it is a URL.",
                     *               "label": "Page parameter",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "next_parameter",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "/updated_at",
                     *               "help": "JSON pointer of a value in an item that grows, such as a number or a time.",
                     *               "label": "Cursor",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "cursor_path",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "updated_since",
                     *               "help": "Query parameter of the next poll for the greatest value of the cursor so far.",
                     *               "label": "Cursor parameter",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "cursor_parameter",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": "item",
                     *               "example": "order",
                     *               "help": "Beginning of the event types: .created for a new item, .updated for a changed one.",
                     *               "label": "Event type",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "event_type",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": {},
                     *               "example": "",
                     *               "help": "Further headers of the request: names with values.",
                     *               "label": "Headers",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "headers",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "object"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "",
                     *               "help": "User name for HTTP Basic.",
                     *               "label": "User",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "username",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": true,
                     *               "default": null,
                     *               "example": "",
                     *               "help": "Password for HTTP Basic.",
                     *               "label": "Password",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "password",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": true,
                     *               "default": null,
                     *               "example": "",
                     *               "help": "Token for Authorization: Bearer.",
                     *               "label": "Token",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "token",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": false,
                     *               "default": null,
                     *               "example": "x-api-key",
                     *               "help": "Header for the key.",
                     *               "label": "Key header",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "key_header",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             },
                     *             {
                     *               "choices": [],
                     *               "credential": true,
                     *               "default": null,
                     *               "example": "",
                     *               "help": "Key that is sent in the key header.",
                     *               "label": "Key",
                     *               "maximum": null,
                     *               "minimum": null,
                     *               "name": "key",
                     *               "names_place": false,
                     *               "required": false,
                     *               "type": "text"
                     *             }
                     *           ]
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SourceKindList"];
                };
            };
        };
    };
    list_sources: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Kind of the source: `http`, or the other system that is read. */
                kind?: string;
                /** @description Labels that it has, all of them: `env:prod,region:eu`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the `uid`, name, sender or `public_url`, ignoring case. */
                q?: string;
                /** @description Signature scheme. */
                scheme?: string;
                /** @description Name of the sender whose preset the source was created with. */
                sender?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /**
                 * @description State of the source.
                 *
                 *     * `active` - Active
                 *     * `paused` - Paused
                 */
                state?: "active" | "paused";
                /** @description Your own id, exact. */
                uid?: string;
                /** @description End of the period, excluded. */
                until?: string;
                /** @description Part of the URL that senders post to. */
                url?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "allowed_networks": [],
                     *           "allowed_origins": [
                     *             "*"
                     *           ],
                     *           "content_types": [],
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "dedupe": "id",
                     *           "dedupe_window_seconds": 86400,
                     *           "envelope": "auto",
                     *           "event_type_path": "",
                     *           "handler_timeout_seconds": 30,
                     *           "handlers": [
                     *             {
                     *               "handler": "log"
                     *             }
                     *           ],
                     *           "handshake": [],
                     *           "id": "src_01m83t2ghzevcannga6my0t001",
                     *           "kind": "http",
                     *           "labels": {},
                     *           "max_bytes": 26214400,
                     *           "message_id_path": "",
                     *           "name": "GitHub",
                     *           "options": {},
                     *           "order_key_path": "",
                     *           "public_url": null,
                     *           "rate_per_minute": null,
                     *           "reading": null,
                     *           "response_body": null,
                     *           "response_content_type": "",
                     *           "response_status": 202,
                     *           "response_timeout_seconds": 10,
                     *           "response_when": "stored",
                     *           "responses": {},
                     *           "retry_plan": null,
                     *           "scheme": "github",
                     *           "sender": "",
                     *           "sequence_path": "",
                     *           "settings": {},
                     *           "skip_out_of_order": false,
                     *           "state": "active",
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "timestamp_tolerance_seconds": 300,
                     *           "uid": "github",
                     *           "updated_at": "2026-05-04T12:30:00Z",
                     *           "url": "https://waypost.example/in/src_01m83t2ghzevcannga6my0t001/"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["SourcePage"];
                };
            };
        };
    };
    create_source: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "handlers": [
                 *         {
                 *           "handler": "log"
                 *         }
                 *       ],
                 *       "name": "GitHub",
                 *       "scheme": "github",
                 *       "secret": "a-secret-that-github-knows",
                 *       "uid": "github"
                 *     }
                 */
                "application/json": components["schemas"]["SourceRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "allowed_networks": [],
                     *       "allowed_origins": [
                     *         "*"
                     *       ],
                     *       "content_types": [],
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "dedupe": "id",
                     *       "dedupe_window_seconds": 86400,
                     *       "envelope": "auto",
                     *       "event_type_path": "",
                     *       "handler_timeout_seconds": 30,
                     *       "handlers": [
                     *         {
                     *           "handler": "log"
                     *         }
                     *       ],
                     *       "handshake": [],
                     *       "id": "src_01m83t2ghzevcannga6my0t001",
                     *       "kind": "http",
                     *       "labels": {},
                     *       "max_bytes": 26214400,
                     *       "message_id_path": "",
                     *       "name": "GitHub",
                     *       "options": {},
                     *       "order_key_path": "",
                     *       "public_url": null,
                     *       "rate_per_minute": null,
                     *       "reading": null,
                     *       "response_body": null,
                     *       "response_content_type": "",
                     *       "response_status": 202,
                     *       "response_timeout_seconds": 10,
                     *       "response_when": "stored",
                     *       "responses": {},
                     *       "retry_plan": null,
                     *       "scheme": "github",
                     *       "secret": "a-secret-that-github-knows",
                     *       "sender": "",
                     *       "sequence_path": "",
                     *       "settings": {},
                     *       "skip_out_of_order": false,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timestamp_tolerance_seconds": 300,
                     *       "uid": "github",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://waypost.example/in/src_01m83t2ghzevcannga6my0t001/"
                     *     }
                     */
                    "application/json": components["schemas"]["SourceWithSecret"];
                };
            };
        };
    };
    get_source: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "allowed_networks": [],
                     *       "allowed_origins": [
                     *         "*"
                     *       ],
                     *       "content_types": [],
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "dedupe": "id",
                     *       "dedupe_window_seconds": 86400,
                     *       "envelope": "auto",
                     *       "event_type_path": "",
                     *       "handler_timeout_seconds": 30,
                     *       "handlers": [
                     *         {
                     *           "handler": "log"
                     *         }
                     *       ],
                     *       "handshake": [],
                     *       "id": "src_01m83t2ghzevcannga6my0t001",
                     *       "kind": "http",
                     *       "labels": {},
                     *       "max_bytes": 26214400,
                     *       "message_id_path": "",
                     *       "name": "GitHub",
                     *       "options": {},
                     *       "order_key_path": "",
                     *       "public_url": null,
                     *       "rate_per_minute": null,
                     *       "reading": null,
                     *       "response_body": null,
                     *       "response_content_type": "",
                     *       "response_status": 202,
                     *       "response_timeout_seconds": 10,
                     *       "response_when": "stored",
                     *       "responses": {},
                     *       "retry_plan": null,
                     *       "scheme": "github",
                     *       "sender": "",
                     *       "sequence_path": "",
                     *       "settings": {},
                     *       "skip_out_of_order": false,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timestamp_tolerance_seconds": 300,
                     *       "uid": "github",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://waypost.example/in/src_01m83t2ghzevcannga6my0t001/"
                     *     }
                     */
                    "application/json": components["schemas"]["Source"];
                };
            };
        };
    };
    replace_source: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "scheme": "gitlab",
                 *       "secret": "a-secret-that-gitlab-knows"
                 *     }
                 */
                "application/json": components["schemas"]["SourceRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "allowed_networks": [],
                     *       "allowed_origins": [
                     *         "*"
                     *       ],
                     *       "content_types": [],
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "dedupe": "id",
                     *       "dedupe_window_seconds": 86400,
                     *       "envelope": "auto",
                     *       "event_type_path": "",
                     *       "handler_timeout_seconds": 30,
                     *       "handlers": [
                     *         {
                     *           "handler": "log"
                     *         }
                     *       ],
                     *       "handshake": [],
                     *       "id": "src_01m83t2ghzevcannga6my0t001",
                     *       "kind": "http",
                     *       "labels": {
                     *         "env": "prod"
                     *       },
                     *       "max_bytes": 26214400,
                     *       "message_id_path": "",
                     *       "name": "GitHub",
                     *       "options": {},
                     *       "order_key_path": "",
                     *       "public_url": null,
                     *       "rate_per_minute": null,
                     *       "reading": null,
                     *       "response_body": null,
                     *       "response_content_type": "",
                     *       "response_status": 202,
                     *       "response_timeout_seconds": 10,
                     *       "response_when": "stored",
                     *       "responses": {},
                     *       "retry_plan": null,
                     *       "scheme": "github",
                     *       "sender": "",
                     *       "sequence_path": "",
                     *       "settings": {},
                     *       "skip_out_of_order": false,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timestamp_tolerance_seconds": 300,
                     *       "uid": "github",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://waypost.example/in/src_01m83t2ghzevcannga6my0t001/"
                     *     }
                     */
                    "application/json": components["schemas"]["Source"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "allowed_networks": [],
                     *       "allowed_origins": [
                     *         "*"
                     *       ],
                     *       "content_types": [],
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "dedupe": "id",
                     *       "dedupe_window_seconds": 86400,
                     *       "envelope": "auto",
                     *       "event_type_path": "",
                     *       "handler_timeout_seconds": 30,
                     *       "handlers": [],
                     *       "handshake": [],
                     *       "id": "src_01m83t2ghzevcannga6my0t002",
                     *       "kind": "http",
                     *       "labels": {},
                     *       "max_bytes": 26214400,
                     *       "message_id_path": "",
                     *       "name": "",
                     *       "options": {},
                     *       "order_key_path": "",
                     *       "public_url": null,
                     *       "rate_per_minute": null,
                     *       "reading": null,
                     *       "response_body": null,
                     *       "response_content_type": "",
                     *       "response_status": 202,
                     *       "response_timeout_seconds": 10,
                     *       "response_when": "stored",
                     *       "responses": {},
                     *       "retry_plan": null,
                     *       "scheme": "gitlab",
                     *       "secret": "a-secret-that-gitlab-knows",
                     *       "sender": "",
                     *       "sequence_path": "",
                     *       "settings": {},
                     *       "skip_out_of_order": false,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timestamp_tolerance_seconds": 300,
                     *       "uid": "gitlab",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://waypost.example/in/src_01m83t2ghzevcannga6my0t002/"
                     *     }
                     */
                    "application/json": components["schemas"]["SourceWithSecret"];
                };
            };
        };
    };
    delete_source: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_source: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "timestamp_tolerance_seconds": 600
                 *     }
                 */
                "application/json": components["schemas"]["SourceUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "allowed_networks": [],
                     *       "allowed_origins": [
                     *         "*"
                     *       ],
                     *       "content_types": [],
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "dedupe": "id",
                     *       "dedupe_window_seconds": 86400,
                     *       "envelope": "auto",
                     *       "event_type_path": "",
                     *       "handler_timeout_seconds": 30,
                     *       "handlers": [
                     *         {
                     *           "handler": "log"
                     *         }
                     *       ],
                     *       "handshake": [],
                     *       "id": "src_01m83t2ghzevcannga6my0t001",
                     *       "kind": "http",
                     *       "labels": {
                     *         "env": "prod"
                     *       },
                     *       "max_bytes": 26214400,
                     *       "message_id_path": "",
                     *       "name": "GitHub",
                     *       "options": {},
                     *       "order_key_path": "",
                     *       "public_url": null,
                     *       "rate_per_minute": null,
                     *       "reading": null,
                     *       "response_body": null,
                     *       "response_content_type": "",
                     *       "response_status": 202,
                     *       "response_timeout_seconds": 10,
                     *       "response_when": "stored",
                     *       "responses": {},
                     *       "retry_plan": null,
                     *       "scheme": "github",
                     *       "sender": "",
                     *       "sequence_path": "",
                     *       "settings": {},
                     *       "skip_out_of_order": false,
                     *       "state": "active",
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "timestamp_tolerance_seconds": 600,
                     *       "uid": "github",
                     *       "updated_at": "2026-05-04T12:30:00Z",
                     *       "url": "https://waypost.example/in/src_01m83t2ghzevcannga6my0t001/"
                     *     }
                     */
                    "application/json": components["schemas"]["Source"];
                };
            };
        };
    };
    list_source_partitions: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "error_setting": "",
                     *           "failing_since": null,
                     *           "failures": 0,
                     *           "id": "par_01m83t2ghzevcannga6my0t001",
                     *           "lag_bytes": null,
                     *           "lag_records": null,
                     *           "lag_seconds": null,
                     *           "last_error": "",
                     *           "last_read_at": null,
                     *           "last_record_at": null,
                     *           "name": "",
                     *           "next_read_at": "2026-05-04T12:30:00Z",
                     *           "position": null,
                     *           "records": 0,
                     *           "warning": ""
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["SourcePartitionPage"];
                };
            };
        };
    };
    list_source_secrets: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "expires_at": null,
                     *           "id": "sec_01m83t2ghzevcannga6my0t002",
                     *           "is_received": false,
                     *           "name": ""
                     *         },
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "expires_at": "2026-05-04T12:30:00Z",
                     *           "id": "sec_01m83t2ghzevcannga6my0t004",
                     *           "is_received": false,
                     *           "name": ""
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["SourceSecretPage"];
                };
            };
        };
    };
    create_source_secret: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "overlap_seconds": 3600,
                 *       "secret": "the-next-secret-of-github"
                 *     }
                 */
                "application/json": components["schemas"]["SourceSecretCreateRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": null,
                     *       "id": "sec_01m83t2ghzevcannga6my0t002",
                     *       "is_received": false,
                     *       "name": "",
                     *       "secret": "the-next-secret-of-github"
                     *     }
                     */
                    "application/json": components["schemas"]["SourceSecretWithValue"];
                };
            };
        };
    };
    get_source_secret: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the secret. */
                id: string;
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": null,
                     *       "id": "sec_01m83t2ghzevcannga6my0t002",
                     *       "is_received": false,
                     *       "name": ""
                     *     }
                     */
                    "application/json": components["schemas"]["SourceSecret"];
                };
            };
        };
    };
    delete_source_secret: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the secret. */
                id: string;
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    reveal_source_secret: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id of the secret. */
                id: string;
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "expires_at": null,
                     *       "id": "sec_01m83t2ghzevcannga6my0t005",
                     *       "is_received": true,
                     *       "name": "",
                     *       "secret": "secret-that-the-sender-gave"
                     *     }
                     */
                    "application/json": components["schemas"]["SourceSecretWithValue"];
                };
            };
        };
    };
    seek_source: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "to": "earliest"
                 *     }
                 */
                "application/json": components["schemas"]["SourceSeekRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "error_setting": "",
                     *           "failing_since": null,
                     *           "failures": 0,
                     *           "id": "par_01m83t2ghzevcannga6my0t001",
                     *           "lag_bytes": null,
                     *           "lag_records": null,
                     *           "lag_seconds": null,
                     *           "last_error": "",
                     *           "last_read_at": null,
                     *           "last_record_at": null,
                     *           "name": "",
                     *           "next_read_at": "2026-05-04T12:30:00Z",
                     *           "position": {
                     *             "polled": true
                     *           },
                     *           "records": 0,
                     *           "warning": ""
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SourcePartitions"];
                };
            };
        };
    };
    test_stored_source_settings: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Found 1 items in a JSON response.",
                     *       "record": {
                     *         "body": "{\"id\":\"A-17\",\"total\":129.5}",
                     *         "content_type": "application/json",
                     *         "event_type": "order.created",
                     *         "headers": {
                     *           "poll-change": "created"
                     *         },
                     *         "id": "5869e152f5b9bad7.aacf29f8ee03023b",
                     *         "order_key": "",
                     *         "problem": "",
                     *         "size": 27,
                     *         "time": null
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["SourceSettingsTest"];
                };
            };
        };
    };
    get_source_stats: {
        parameters: {
            query?: {
                /** @description Number of hours, including the current one. */
                hours?: number;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "begins_at": "2026-05-04T12:30:00Z",
                     *           "conflicts": 0,
                     *           "dead": 0,
                     *           "duplicates": 0,
                     *           "handler_failures": 0,
                     *           "processed": 0,
                     *           "received": 0,
                     *           "rejected": 0,
                     *           "throttled": 0,
                     *           "unhandled": 0
                     *         },
                     *         {
                     *           "begins_at": "2026-05-04T12:30:00Z",
                     *           "conflicts": 0,
                     *           "dead": 0,
                     *           "duplicates": 0,
                     *           "handler_failures": 0,
                     *           "processed": 0,
                     *           "received": 0,
                     *           "rejected": 0,
                     *           "throttled": 0,
                     *           "unhandled": 0
                     *         }
                     *       ],
                     *       "now": {
                     *         "dead": 0,
                     *         "is_lower_bound": false,
                     *         "pending": 0
                     *       },
                     *       "total": {
                     *         "conflicts": 0,
                     *         "dead": 0,
                     *         "duplicates": 0,
                     *         "handler_failures": 0,
                     *         "processed": 0,
                     *         "received": 0,
                     *         "rejected": 0,
                     *         "throttled": 0,
                     *         "unhandled": 0
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["SourceStats"];
                };
            };
        };
    };
    test_source: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the source. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "event_type": "push"
                 *     }
                 */
                "application/json": components["schemas"]["TestMessageCreateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "body": "{\"type\":\"push\",\"data\":{\"hello\":\"world\"}}",
                     *       "headers": {
                     *         "content-type": "application/json",
                     *         "x-github-delivery": "msg_01m83t2ghzevcannga6my0t001",
                     *         "x-github-event": "push",
                     *         "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *       },
                     *       "receipt": {
                     *         "attempts": 0,
                     *         "cause": null,
                     *         "content_type": "application/json",
                     *         "dead_at": null,
                     *         "due_at": "2026-05-04T12:30:00Z",
                     *         "event_type": "push",
                     *         "handled_by": null,
                     *         "headers": {
                     *           "content-length": "40",
                     *           "content-type": "application/json",
                     *           "host": "hooks.example.com",
                     *           "x-github-delivery": "msg_01m83t2ghzevcannga6my0t001",
                     *           "x-github-event": "push",
                     *           "x-hub-signature-256": "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                     *         },
                     *         "id": "rcp_01m83t2ghzevcannga6my0t001",
                     *         "last_error": "",
                     *         "message_id": "msg_01m83t2ghzevcannga6my0t001",
                     *         "order_key": "",
                     *         "out_of_order": false,
                     *         "processed_at": null,
                     *         "received_at": "2026-05-04T12:30:00Z",
                     *         "secret": "sec_01m83t2ghzevcannga6my0t004",
                     *         "secret_name": "",
                     *         "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *         "size": 40,
                     *         "skipped": false,
                     *         "source": "src_01m83t2ghzevcannga6my0t001",
                     *         "state": "pending",
                     *         "unhandled": false
                     *       },
                     *       "rejection": null,
                     *       "response": "{\"receipt\":\"rcp_01m83t2ghzevcannga6my0t001\"}",
                     *       "status": 202,
                     *       "url": "https://waypost.example/in/src_01m83t2ghzevcannga6my0t001/"
                     *     }
                     */
                    "application/json": components["schemas"]["TestMessageResult"];
                };
            };
        };
    };
    test_source_settings: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "kind": "poll",
                 *       "settings": {
                 *         "event_type": "order",
                 *         "id_path": "/id",
                 *         "url": "https://example.com/orders"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SourceRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Found 1 items in a JSON response.",
                     *       "record": {
                     *         "body": "{\"id\":\"A-17\",\"total\":129.5}",
                     *         "content_type": "application/json",
                     *         "event_type": "order.created",
                     *         "headers": {
                     *           "poll-change": "created"
                     *         },
                     *         "id": "5869e152f5b9bad7.aacf29f8ee03023b",
                     *         "order_key": "",
                     *         "problem": "",
                     *         "size": 27,
                     *         "time": null
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["SourceSettingsTest"];
                };
            };
        };
    };
    get_status: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "advice": "",
                     *       "backlog": {
                     *         "due": 1,
                     *         "due_is_lower_bound": false,
                     *         "in_flight": 7,
                     *         "published_per_second": 99.8,
                     *         "receipts_due": 0,
                     *         "receipts_seconds_behind": 0,
                     *         "seconds_behind": 0,
                     *         "settled_per_second": 100,
                     *         "waiting_for_commit": 5
                     *       },
                     *       "because": "nothing",
                     *       "behind_count": 1,
                     *       "busy": "no",
                     *       "drain_count": 1,
                     *       "drains": [
                     *         {
                     *           "claimed_ahead": 3,
                     *           "claimed_per_second": 100,
                     *           "cpu": 0.4,
                     *           "in_flight": 7,
                     *           "lanes": 12,
                     *           "load": 0.5,
                     *           "machine": "worker-1",
                     *           "machine_cpu": 0.5,
                     *           "max_in_flight": 2048,
                     *           "pid": 4711,
                     *           "reported_at": "2026-05-04T12:30:00Z",
                     *           "settled_per_second": 100,
                     *           "started_at": "2026-05-04T12:30:00Z",
                     *           "turn_size": 48,
                     *           "used": 0.25,
                     *           "waiting_for_database": 0.1
                     *         }
                     *       ],
                     *       "lanes_behind": [
                     *         {
                     *           "because": "circuit_open",
                     *           "blocking_delivery": null,
                     *           "due_since": "2026-05-04T12:30:00Z",
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t005",
                     *           "explanation": "The endpoint keeps failing: sending is paused by the circuit breaker",
                     *           "seconds": 60,
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t003"
                     *         }
                     *       ],
                     *       "machine_cpu": 0.5,
                     *       "measured_at": "2026-05-04T12:30:00Z",
                     *       "publishers": [
                     *         {
                     *           "cpu": 0.3,
                     *           "machine": "web-1",
                     *           "machine_cpu": 0.5,
                     *           "pid": 4712,
                     *           "reported_at": "2026-05-04T12:30:00Z",
                     *           "requests_per_second": 420,
                     *           "waiting_for_commit": 5
                     *         }
                     *       ],
                     *       "reason": "The drains use 25 % of their capacity.",
                     *       "used": 0.25,
                     *       "version": "0.1.0",
                     *       "waiting_for_database": 0.1
                     *     }
                     */
                    "application/json": components["schemas"]["Status"];
                };
            };
        };
    };
    list_subscriptions: {
        parameters: {
            query?: {
                /** @description Whether the subscription is active. Without this filter the list has both. */
                active?: boolean;
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Id or `uid` of an endpoint, which may be named or selected by its labels. */
                endpoint?: string;
                /** @description An event type: only subscriptions whose types include it (`order.paid`), or at least one below it (`order.*`). */
                event_type?: string;
                /** @description Labels that the endpoint has, all of them: `env:prod,region:eu`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description Your own id, exact. */
                uid?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "active": true,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "description": "",
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *           "endpoint_labels": null,
                     *           "event_types": [
                     *             "order.*"
                     *           ],
                     *           "grant": null,
                     *           "id": "sub_01m83t2ghzevcannga6my0t001",
                     *           "pattern": {
                     *             "data": {
                     *               "total": [
                     *                 {
                     *                   "numeric": [
                     *                     ">",
                     *                     100
                     *                   ]
                     *                 }
                     *               ]
                     *             }
                     *           },
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "transformer": null,
                     *           "uid": null,
                     *           "updated_at": "2026-05-04T12:30:00Z"
                     *         },
                     *         {
                     *           "active": true,
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "description": "",
                     *           "endpoint": "ep_01m83t2ghzevcannga6my0t003",
                     *           "endpoint_labels": null,
                     *           "event_types": [
                     *             "chat.*"
                     *           ],
                     *           "grant": null,
                     *           "id": "sub_01m83t2ghzevcannga6my0t003",
                     *           "pattern": null,
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "transformer": {
                     *             "content_type": "application/json",
                     *             "template": "{\"content\": <message>, \"allowed_mentions\": {\"parse\": []}}",
                     *             "texts": {
                     *               "message": {
                     *                 "max_length": 2000,
                     *                 "template": "**<$.type>** <$.subject>"
                     *               }
                     *             }
                     *           },
                     *           "uid": null,
                     *           "updated_at": "2026-05-04T12:30:00Z"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["SubscriptionPage"];
                };
            };
        };
    };
    create_subscription: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SubscriptionRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "active": true,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "endpoint_labels": null,
                     *       "event_types": [
                     *         "invoice.*"
                     *       ],
                     *       "grant": null,
                     *       "id": "sub_01m83t2ghzevcannga6my0t002",
                     *       "pattern": null,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "transformer": null,
                     *       "uid": null,
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Subscription"];
                };
            };
        };
    };
    get_subscription: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the subscription. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "active": true,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "endpoint_labels": null,
                     *       "event_types": [
                     *         "order.*"
                     *       ],
                     *       "grant": null,
                     *       "id": "sub_01m83t2ghzevcannga6my0t001",
                     *       "pattern": {
                     *         "data": {
                     *           "total": [
                     *             {
                     *               "numeric": [
                     *                 ">",
                     *                 100
                     *               ]
                     *             }
                     *           ]
                     *         }
                     *       },
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "transformer": null,
                     *       "uid": null,
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Subscription"];
                };
            };
        };
    };
    replace_subscription: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the subscription. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                 *       "event_types": [
                 *         "refund.*"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "active": true,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "endpoint_labels": null,
                     *       "event_types": [
                     *         "order.*"
                     *       ],
                     *       "grant": null,
                     *       "id": "sub_01m83t2ghzevcannga6my0t001",
                     *       "pattern": {
                     *         "data": {
                     *           "total": [
                     *             {
                     *               "numeric": [
                     *                 ">",
                     *                 100
                     *               ]
                     *             }
                     *           ]
                     *         }
                     *       },
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "transformer": null,
                     *       "uid": null,
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "active": true,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "endpoint_labels": null,
                     *       "event_types": [
                     *         "refund.*"
                     *       ],
                     *       "grant": null,
                     *       "id": "sub_01m83t2ghzevcannga6my0t004",
                     *       "pattern": null,
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "transformer": null,
                     *       "uid": "refunds",
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Subscription"];
                };
            };
        };
    };
    delete_subscription: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the subscription. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_subscription: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the subscription. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "event_types": [
                 *         "order.paid",
                 *         "order.refunded"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "active": true,
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "description": "",
                     *       "endpoint": "ep_01m83t2ghzevcannga6my0t002",
                     *       "endpoint_labels": null,
                     *       "event_types": [
                     *         "order.paid",
                     *         "order.refunded"
                     *       ],
                     *       "grant": null,
                     *       "id": "sub_01m83t2ghzevcannga6my0t001",
                     *       "pattern": {
                     *         "data": {
                     *           "total": [
                     *             {
                     *               "numeric": [
                     *                 ">",
                     *                 100
                     *               ]
                     *             }
                     *           ]
                     *         }
                     *       },
                     *       "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "transformer": null,
                     *       "uid": null,
                     *       "updated_at": "2026-05-04T12:30:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Subscription"];
                };
            };
        };
    };
    delete_subscriptions: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "crm"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "has_more": false,
                     *       "total": 1
                     *     }
                     */
                    "application/json": components["schemas"]["BulkResult"];
                };
            };
        };
    };
    preview_delete_subscriptions: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "filter": {
                 *         "endpoint": "crm"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionSelectionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "is_lower_bound": false,
                     *       "total": 1
                     *     }
                     */
                    "application/json": components["schemas"]["SelectionCount"];
                };
            };
        };
    };
    test_subscription: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["DryRunRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "masks": [],
                     *           "matches": true,
                     *           "mismatches": [],
                     *           "request": {
                     *             "body": "{\"specversion\":\"1.0\",\"id\":\"evt_01m83t2ghzevcannga6my0t015\",\"source\":\"/test\",\"type\":\"order.paid\",\"time\":\"2026-05-04T12:30:00Z\",\"data\":{\"total\":129.5}}",
                     *             "body_base64": null,
                     *             "headers": {
                     *               "accept-encoding": "identity",
                     *               "content-type": "application/cloudevents+json",
                     *               "user-agent": "Waypost/0.1.0",
                     *               "webhook-id": "evt_01m83t2ghzevcannga6my0t015",
                     *               "webhook-signature": "v1,(signed when it is sent)",
                     *               "webhook-timestamp": "1777897800"
                     *             }
                     *           },
                     *           "transformation_error": "",
                     *           "type_matches": true
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["DryRunResults"];
                };
            };
        };
    };
    list_tenants: {
        parameters: {
            query?: {
                /** @description The pagination cursor value. */
                cursor?: string;
                /** @description Labels that it has, all of them: `env:prod,region:eu`. */
                labels?: string;
                /** @description Number of results to return per page. */
                limit?: number;
                /** @description Order of the list by time of creation. */
                order?: "newest" | "oldest";
                /** @description Text in the `uid` or name, ignoring case. */
                q?: string;
                /** @description Start of the period, included: `2030-01-31T12:00:00Z`. */
                since?: string;
                /** @description Your own id, exact. */
                uid?: string;
                /** @description End of the period, excluded. */
                until?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "id": "tnt_01m83t2ghzevcannga6my0t002",
                     *           "is_platform": false,
                     *           "labels": {
                     *             "region": "eu"
                     *           },
                     *           "metadata": {},
                     *           "name": "Globex",
                     *           "plan": null,
                     *           "retention_days": 90,
                     *           "uid": "customer-43",
                     *           "unknown_event_types": null
                     *         },
                     *         {
                     *           "created_at": "2026-05-04T12:30:00Z",
                     *           "id": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "is_platform": false,
                     *           "labels": {},
                     *           "metadata": {},
                     *           "name": "Acme",
                     *           "plan": "pln_01m83t2ghzevcannga6my0t001",
                     *           "retention_days": 90,
                     *           "uid": "customer-42",
                     *           "unknown_event_types": null
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["TenantPage"];
                };
            };
        };
    };
    create_tenant: {
        parameters: {
            query?: never;
            header?: {
                /** @description Chosen by you. A request repeated with it within 24 hours takes effect once. */
                "Idempotency-Key"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Acme",
                 *       "plan": "pln_01m83t2ghzevcannga6my0t001",
                 *       "uid": "customer-42"
                 *     }
                 */
                "application/json": components["schemas"]["TenantRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "id": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "is_platform": false,
                     *       "labels": {},
                     *       "metadata": {},
                     *       "name": "Acme",
                     *       "plan": "pln_01m83t2ghzevcannga6my0t001",
                     *       "retention_days": 90,
                     *       "uid": "customer-42",
                     *       "unknown_event_types": null
                     *     }
                     */
                    "application/json": components["schemas"]["Tenant"];
                };
            };
        };
    };
    get_tenant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the tenant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "id": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "is_platform": false,
                     *       "labels": {},
                     *       "metadata": {},
                     *       "name": "Acme",
                     *       "plan": "pln_01m83t2ghzevcannga6my0t001",
                     *       "retention_days": 90,
                     *       "uid": "customer-42",
                     *       "unknown_event_types": null
                     *     }
                     */
                    "application/json": components["schemas"]["Tenant"];
                };
            };
        };
    };
    replace_tenant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the tenant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Acme Ltd",
                 *       "plan": "pln_01m83t2ghzevcannga6my0t001",
                 *       "uid": "customer-42"
                 *     }
                 */
                "application/json": components["schemas"]["TenantRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "id": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "is_platform": false,
                     *       "labels": {},
                     *       "metadata": {},
                     *       "name": "Acme Ltd",
                     *       "plan": "pln_01m83t2ghzevcannga6my0t001",
                     *       "retention_days": 90,
                     *       "uid": "customer-42",
                     *       "unknown_event_types": null
                     *     }
                     */
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "id": "tnt_01m83t2ghzevcannga6my0t002",
                     *       "is_platform": false,
                     *       "labels": {
                     *         "region": "eu"
                     *       },
                     *       "metadata": {},
                     *       "name": "Globex",
                     *       "plan": null,
                     *       "retention_days": 90,
                     *       "uid": "customer-43",
                     *       "unknown_event_types": null
                     *     }
                     */
                    "application/json": components["schemas"]["Tenant"];
                };
            };
        };
    };
    delete_tenant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the tenant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description No response body */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_tenant: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: change only if it is still current; 412 otherwise. */
                "If-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the tenant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "metadata": {
                 *         "region": "eu"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["TenantUpdateRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-05-04T12:30:00Z",
                     *       "id": "tnt_01m83t2ghzevcannga6my0t001",
                     *       "is_platform": false,
                     *       "labels": {},
                     *       "metadata": {
                     *         "region": "eu"
                     *       },
                     *       "name": "Acme Ltd",
                     *       "plan": "pln_01m83t2ghzevcannga6my0t001",
                     *       "retention_days": 90,
                     *       "uid": "customer-42",
                     *       "unknown_event_types": null
                     *     }
                     */
                    "application/json": components["schemas"]["Tenant"];
                };
            };
        };
    };
    get_tenant_limits: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path: {
                /** @description Id or `uid` of the tenant. */
                ref: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "allowed": 100000,
                     *           "description": "Events accepted in a calendar month (UTC); empty: no limit.",
                     *           "name": "events_per_month",
                     *           "resets_at": "2026-05-04T12:30:00Z",
                     *           "set_by": "plan",
                     *           "used": 0
                     *         },
                     *         {
                     *           "allowed": 100,
                     *           "description": "Events per second; those of one second may arrive at once. Empty: no limit.",
                     *           "name": "publish_rate",
                     *           "resets_at": null,
                     *           "set_by": "plan",
                     *           "used": null
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["TenantLimits"];
                };
            };
        };
    };
    get_usage: {
        parameters: {
            query?: {
                /** @description What rows are divided by besides the date: `tenant`, `type`, or (the default) `tenant,type`. */
                by?: string;
                /** @description Position after which the page starts; from `next`. */
                cursor?: string;
                /**
                 * @description Format of the response; by default as `Accept` says.
                 *
                 *     * `json` - A page as JSON
                 *     * `csv` - All rows as CSV
                 */
                format?: "json" | "csv";
                /** @description First day (UTC). Default: the first day of the month of `to`. */
                from?: string;
                /**
                 * @description Period of a row.
                 *
                 *     * `day` - One row for each day
                 *     * `month` - One row for each month
                 */
                granularity?: "day" | "month";
                /** @description Rows on a JSON page. */
                limit?: number;
                /** @description Last day (UTC), included. Default: today. */
                to?: string;
                /** @description Event type: one (`order.paid`), all below one (`order.*`), or all (`*`). An unknown one is an error. Default: all types. */
                type?: string;
            };
            header?: {
                /** @description An `ETag`: respond 304 if it is still current. */
                "If-None-Match"?: string;
                /** @description With a platform key: id or `uid` of the tenant to act for. Also as `?tenant=`. */
                "Waypost-Tenant"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "date": "2026-05-04",
                     *           "deliveries": 1,
                     *           "events": 1,
                     *           "tenant": "tnt_01m83t2ghzevcannga6my0t001",
                     *           "type": "order.paid"
                     *         }
                     *       ],
                     *       "next": null,
                     *       "previous": null
                     *     }
                     */
                    "application/json": components["schemas"]["UsagePage"];
                    "text/csv": string;
                };
            };
        };
    };
    confirm_verification_by_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Key of the verification, from the URL of the callback. */
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VerificationResult"];
                };
            };
        };
    };
    confirm_verification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Key of the verification, from the URL of the callback. */
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VerificationResult"];
                };
            };
        };
    };
}
