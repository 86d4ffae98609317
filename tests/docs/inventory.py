"""Say for each block of each page by which test it is run or checked, or why it is not.

A page has a word for each of its blocks, in order; ``word*3`` stands for three. ``CHECKS`` has the test of each word.
Tests that are the same for many blocks take them from here (``blocks_for``), so that an entry is what runs the block.
"""

from tests.docs.blocks import Block, blocks_of

CHECKS = {
    "make": "tests/docs/test_commands.py::test_make_command_of_a_page_reaches_a_program_that_accepts_it",
    "production": "tests/docs/test_commands.py::test_settings_of_the_page_for_production_are_accepted",
    "encryption-keys": "tests/docs/test_commands.py::test_encryption_keys_of_the_page_decrypt_with_both",
    "waypost-install": "tests/clients/test_python_client.py::test_wheel_of_the_client_has_the_command",
    "waypost-commands": "tests/clients/test_python_client.py::test_command_of_the_page_exists",
    "mcp": "tests/clients/test_python_client.py::test_command_of_the_page_exists",
    "generated-only": "tests/clients/test_generated_only.py::test_page_has_the_command_for_each_language",
    "import-svix": "tests/subscriptions/management/commands/test_import_svix.py"
    "::test_page_describes_the_file_as_it_is_read",
    "installed": "tests/docs/test_deploy.py::test_command_of_the_page_exists_and_so_do_its_files",
    "deployed-settings": "tests/docs/test_deploy.py::test_settings_of_a_machine_are_those_of_the_reference",
    "proxy": "tests/docs/test_deploy.py::test_proxy_passes_on_what_the_platform_reads",
    "pooler": "tests/journeys/test_pgbouncer.py::test_platform_works_through_a_pooler_in_session_mode",
    "pooled-settings": "tests/docs/test_deploy.py::test_addresses_of_pooler_and_server_are_accepted",
    "transaction-pooler": "tests/journeys/test_pgbouncer.py"
    "::test_platform_works_with_a_pooler_in_transaction_mode_for_its_requests",
    "migration": "tests/config/upgrade/test_upgrade.py::test_migration_of_the_guide_may_run_beside_old_code",
    "compose": "tests/docs/test_deploy.py::test_secrets_of_compose_are_accepted",
    "chart": "tests/docs/test_deploy.py::test_values_of_the_chart_are_known",
    "replica": "tests/journeys/test_second_region.py::test_second_region_delivers_all_that_the_first_accepted",
    "backup": "tests/config/backup/test_backup.py::test_commands_of_the_guide_are_commands_of_the_platform",
    "traces": "tests/docs/test_commands.py::test_settings_of_the_page_for_traces_are_accepted",
    "programs": "tests/docs/test_commands.py::test_program_for_a_container_is_one_that_exists",
    "alerts": "tests/docs/test_commands.py::test_alert_names_metrics_that_are_served",
    "api": "tests/docs/test_api_pages.py::test_commands_of_a_page_are_accepted_and_respond_as_it_shows",
    "response": "tests/docs/test_api_pages.py::test_commands_of_a_page_are_accepted_and_respond_as_it_shows",
    "handshake": "tests/docs/test_snippets.py::test_rules_of_the_handshake_respond_as_the_page_says",
    "endpoint-fields": "tests/docs/test_snippets.py::test_fields_of_an_endpoint_are_those_of_the_description",
    "deferred": "tests/docs/test_snippets.py::test_response_to_a_deferred_event_is_that_of_the_description",
    "operational-event": "tests/docs/test_snippets.py::test_operational_event_of_the_page_is_one_of_the_catalogue",
    "portal-link": "tests/delivery/portal/test_guide.py::test_link_of_the_page_is_accepted",
    "portal-command": "tests/delivery/portal/test_guide.py::test_command_of_the_page_prints_a_link",
    "portal-signed": "tests/delivery/portal/test_guide.py::test_link_that_the_example_signs_opens_the_portal",
    "portal-element": "tests/delivery/portal/test_guide.py::test_element_of_the_page_has_the_attributes_that_it_reads",
    "grant": "tests/docs/test_snippets.py::test_grant_and_a_subscription_that_names_it_are_accepted",
    "subscription-to-grant": "tests/docs/test_snippets.py::test_grant_and_a_subscription_that_names_it_are_accepted",
    "invocation-record": "tests/docs/test_snippets.py::test_invocation_record_of_the_page_is_one_of_the_catalogue",
    "results-of-receipts": "tests/docs/test_snippets.py::test_handlers_that_name_an_endpoint_are_accepted",
    "reference-pattern": "tests/docs/test_snippets.py::test_pattern_and_transformer_of_the_reference_compile",
    "demo-events": "tests/docs/test_snippets.py::test_file_of_events_is_one_that_the_demo_reads",
    "policy": "tests/docs/test_snippets.py::test_policy_allows_what_the_page_names",
    "benchmark-row": "tests/docs/test_snippets.py::test_row_of_the_benchmark_is_the_one_in_the_code",
    "attack": "tests/docs/test_snippets.py::test_attack_of_the_page_is_the_one_in_the_code",
    "sender": "tests/docs/test_snippets.py::test_preset_of_the_guide_verifies_and_answers_its_sender",
    "transport": "tests/docs/test_snippets.py::test_outline_of_a_transport_has_the_methods_of_a_transport",
    "destination": "tests/docs/test_snippets.py::test_outline_of_a_destination_has_the_methods_of_a_kind",
    "battery": "tests/docs/test_snippets.py::test_outline_of_a_destination_has_the_methods_of_a_kind",
    "write-destinations": "tests/delivery/destinations/test_reference.py::test_page_of_types_shows_their_settings",
    "kind-of-destination": "tests/docs/test_snippets.py::test_form_of_a_destination_has_fields_of_an_endpoint",
    "send-to": "tests/docs/test_snippets.py::test_settings_of_a_guide_to_a_destination_are_accepted",
    "entra": "tests/docs/test_snippets.py::test_application_in_place_of_a_key_is_accepted",
    "table": "tests/docs/test_snippets.py::test_settings_of_a_guide_to_a_destination_are_accepted",
    "endpoint-batch": "tests/docs/test_snippets.py::test_batch_of_an_endpoint_is_accepted",
    "endpoint-lines": "tests/docs/test_snippets.py::test_batch_of_an_endpoint_is_accepted",
    "request": "tests/docs/test_snippets.py::test_request_on_the_page_for_receivers_is_the_one_that_is_sent",
    "in-transaction": "tests/docs/test_snippets.py::test_event_is_published_in_the_transaction_of_the_page",
    "publish-error": "tests/docs/test_snippets.py::test_error_of_publishing_is_the_one_shown",
    "put-events": "tests/docs/test_snippets.py::test_client_of_aws_publishes_as_the_page_says",
    "sending-script": "tests/docs/test_snippets.py::test_script_of_the_page_sends_a_message_that_is_accepted",
    "subscriber": "tests/docs/test_snippets.py::test_subscriber_of_the_front_page_prints_what_it_verified",
    "guide": "tests/docs/test_guides.py::test_guides_followed_to_the_letter_add_what_they_say",
    "quickstart": "tests/docs/test_first_steps.py::test_quickstart_shows_the_webhooks_of_the_customer_that_is_named",
    "integration": "tests/docs/test_first_steps.py"
    "::test_first_integration_ends_with_a_customer_who_receives_its_own_events",
    "operational": "tests/docs/test_first_steps.py::test_operational_events_page_sets_up_the_platforms_own_tenant",
    "demo-output": "tests/journeys/test_demo.py::test_demo_ends_with_every_count_as_expected",
    "verify": "tests/docs/test_receivers.py::test_verify_on_the_page_accepts_our_signatures_only",
    "verify-v1a": "tests/docs/test_receivers.py::test_verify_with_a_public_key_accepts_our_signatures_only",
    "client": "tests/clients/test_generated_clients.py::test_generated_clients_do_the_quickstart",
    "client-snippet": "tests/docs/test_snippets.py::test_call_of_a_generated_client_is_one_that_its_quickstart_makes",
    "poll": "tests/webhooks/sources/kinds/poll/test_poll.py::test_guide_polls_an_api_and_a_feed_and_publishes",
    "steps": "tests/webhooks/processing/steps/test_steps.py::test_steps_of_the_guide_are_accepted",
    "handler": "tests/config/test_settings.py::test_app_of_the_operator_is_installed_with_its_models_and_handlers",
    "pattern-event": "tests/subscriptions/event_types/test_guide.py::test_pattern_shown_as_matching_matches",
    "matches": "tests/subscriptions/event_types/test_guide.py::test_pattern_shown_as_matching_matches",
    "differs": "tests/subscriptions/event_types/test_guide.py::test_pattern_shown_as_not_matching_does_not_match",
    "transformed": "tests/subscriptions/event_types/test_guide.py::test_transformer_renders_the_result_shown",
    "receiver-project": "tests/journeys/test_receiver_alone.py::test_page_followed_in_a_new_project_handles_an_order",
    "receiver-commands": "tests/journeys/test_receiver_alone.py::test_commands_of_the_page_are_those_that_are_run_here",
    "provider-project": "tests/journeys/test_provider_installed.py"
    "::test_page_followed_in_a_new_project_sends_a_signed_webhook",
    "plan": "tests/test_architecture.py::test_architecture_page_shows_the_picture_of_the_code",
    "states": "tests/docs/test_snippets.py::test_states_of_a_delivery_are_those_that_the_pictures_name",
    "slack": "tests/docs/test_recipes.py::test_large_order_becomes_a_slack_message",
    "oauth": "tests/docs/test_recipes.py::test_endpoint_behind_oauth_gets_a_token",
    "lambda": "tests/docs/test_recipes.py::test_function_of_aws_lambda_verifies_what_it_is_sent",
    "minute": "tests/docs/test_recipes.py::test_second_request_within_a_minute_waits",
    "latest": "tests/docs/test_recipes.py::test_latest_of_what_waits_takes_the_place_of_older_ones",
    "order": "tests/docs/test_recipes.py::test_failing_event_holds_up_its_own_customer_only",
    "mask-api": "tests/docs/test_recipes.py::test_masks_of_an_event_type_are_in_the_store_and_on_the_wire",
    "decrypt": "tests/docs/test_recipes.py::test_code_of_the_page_decrypts_values",
    "masked": "tests/docs/test_recipes.py::test_address_is_not_in_what_a_partner_gets",
    "batch": "tests/docs/test_recipes.py::test_batch_creates_each_endpoint_with_its_subscription_once_and_deletes_them",
    "test-event": "tests/docs/test_recipes.py::test_test_event_is_sent_and_shown",
    "at-nine": "tests/docs/test_recipes.py::test_tomorrow_at_nine_is_the_time_of_the_city",
    "schedule": "tests/docs/test_recipes.py::test_schedule_takes_the_time_of_the_city",
    "alert-rules": "tests/docs/test_recipes.py::test_commands_about_alerts_are_accepted",
    "schedules": "tests/docs/test_recipes.py::test_commands_about_schedules_are_accepted",
    "three-systems": "tests/delivery/connectors/test_three_systems.py"
    "::test_page_sends_each_event_to_the_systems_that_want_it",
    "connector-files": "tests/subscriptions/connectors/test_reference.py::test_page_of_connectors_shows_their_fields",
    "outbox": "tests/webhooks/sources/kinds/postgres/test_guides.py"
    "::test_guide_of_an_outbox_publishes_a_row_and_deletes_it",
    "changes": "tests/webhooks/sources/kinds/postgres/test_guides.py"
    "::test_guide_of_changes_publishes_copied_rows_changes_and_messages",
    "amqp": "tests/brokers/amqp/test_amqp.py::test_guide_reads_a_queue_and_publishes",
    "nats": "tests/brokers/nats/test_nats.py::test_guide_reads_a_stream_and_publishes",
    "pubsub": "tests/webhooks/sources/kinds/google/test_pubsub.py::test_guide_reads_a_subscription_and_publishes",
}
NOT_RUN = {
    "picture": "a picture in characters, or of steps: nothing runs it",
    "verify-other": "PHP and Ruby, which the machines of the tests do not have; each is the Python function again",
    "kind-of-source": "a form with KIND in the place of a kind; the fields of each kind that there is are checked by "
    "tests/webhooks/sources/test_kinds_reference.py",
    "npm": "fetches a package from the npm registry; its script is run on a sample by "
    "tests/docs/test_snippets.py::test_script_makes_events_of_payloads_of_github",
}

INVENTORY = {
    "README.md": "make picture states subscriber*2",
    "docs/coming-from.md": "import-svix",
    "docs/how-to/add-a-filter.md": "guide*2 make",
    "docs/how-to/add-a-metric.md": "guide*3",
    "docs/how-to/add-a-periodic-task.md": "guide*4",
    "docs/how-to/add-a-portal-page.md": "guide*5",
    "docs/how-to/add-a-resource.md": "guide*4 make",
    "docs/how-to/add-a-scheme.md": "guide*3 make guide",
    "docs/how-to/add-a-sender.md": "sender make",
    "docs/how-to/add-a-connector.md": "connector-files",
    "docs/how-to/add-a-destination.md": "destination battery write-destinations",
    "docs/how-to/add-a-transport.md": "transport",
    "docs/how-to/add-an-admin-page.md": "guide*3",
    "docs/how-to/benchmark.md": "make*2 benchmark-row",
    "docs/how-to/change-the-database.md": "migration",
    "docs/how-to/upgrade.md": "installed*5",
    "docs/how-to/demo.md": "make demo-output demo-events npm",
    "docs/how-to/command-line.md": "waypost-install waypost-commands*3 mcp",
    "docs/how-to/deploy.md": "installed*2 deployed-settings proxy installed pooler pooled-settings "
    "transaction-pooler compose chart replica*2",
    "docs/how-to/endpoints.md": "api endpoint-fields api endpoint-fields*2 api*5",
    "docs/how-to/erase.md": "api*2",
    "docs/how-to/event-types.md": "api*4 response",
    "docs/how-to/generate-a-client.md": "api client client-snippet client client-snippet client client-snippet "
    "generated-only",
    "docs/how-to/mask.md": "mask-api*2 decrypt*2",
    "docs/how-to/operate.md": "make production encryption-keys programs backup api response api*2",
    "docs/how-to/patterns.md": "api pattern-event matches differs matches*6 differs "
    "matches differs matches*5 differs matches transformed*10",
    "docs/how-to/publish-from-your-django-project.md": "provider-project*8 publish-error provider-project*9",
    "docs/how-to/publish.md": "api*2 response api*3 response put-events deferred in-transaction",
    "docs/how-to/pull.md": "api*3 response api response api*2",
    "docs/how-to/poll-an-api-or-a-feed.md": "poll*2",
    "docs/how-to/read-a-postgres-outbox.md": "outbox*5",
    "docs/how-to/read-amqp.md": "amqp",
    "docs/how-to/read-nats.md": "nats*2",
    "docs/how-to/read-other-systems.md": "kind-of-source",
    "docs/how-to/send-to-azure.md": "send-to send-to entra",
    "docs/how-to/send-to-cloudflare.md": "send-to",
    "docs/how-to/send-to-eventbridge.md": "send-to",
    "docs/how-to/send-to-kinesis.md": "send-to",
    "docs/how-to/send-to-lambda.md": "send-to",
    "docs/how-to/send-to-s3.md": "send-to endpoint-lines",
    "docs/how-to/send-to-sns.md": "send-to",
    "docs/how-to/send-to-amqp.md": "send-to",
    "docs/how-to/send-to-email.md": "send-to",
    "docs/how-to/send-to-kafka.md": "send-to",
    "docs/how-to/send-to-nats.md": "send-to",
    "docs/how-to/send-to-postgres.md": "table send-to",
    "docs/how-to/send-to-pubsub.md": "send-to",
    "docs/how-to/send-to-redis.md": "send-to",
    "docs/how-to/send-to-sqs.md": "send-to",
    "docs/how-to/write-to-other-systems.md": "kind-of-destination endpoint-batch",
    "docs/reference/destinations.md": "kind-of-destination",
    "docs/how-to/read-postgres-changes.md": "changes*6",
    "docs/how-to/read-pubsub.md": "pubsub*2",
    "docs/how-to/receive-in-your-django-project.md": "receiver-commands receiver-project receiver-commands "
    "receiver-project*3 receiver-commands*2 receiver-project receiver-commands receiver-project*2",
    "docs/how-to/receive-our-webhooks.md": "request verify*4 verify-other*2 verify verify-v1a*2",
    "docs/how-to/receive.md": "api*2 handshake api sending-script make handler steps api*7",
    "docs/how-to/recipes/aws-lambda-url.md": "lambda*3 policy",
    "docs/how-to/recipes/five-hundred-endpoints.md": "batch*7",
    "docs/how-to/recipes/in-order-per-customer.md": "order*4",
    "docs/how-to/recipes/masked-email.md": "masked*4",
    "docs/how-to/recipes/oauth2-endpoint.md": "oauth*3",
    "docs/how-to/recipes/once-a-minute.md": "minute*3 latest*3",
    "docs/how-to/recipes/slack-message-for-large-orders.md": "slack*3",
    "docs/how-to/recipes/test-event.md": "test-event*2",
    "docs/how-to/recipes/three-systems.md": "three-systems*4",
    "docs/how-to/recipes/tomorrow-at-nine.md": "at-nine schedule*2",
    "docs/how-to/alerts.md": "alert-rules*4",
    "docs/how-to/results.md": "api invocation-record results-of-receipts api",
    "docs/how-to/portal.md": "portal-command portal-link portal-signed portal-element",
    "docs/how-to/share-events.md": "grant subscription-to-grant",
    "docs/how-to/schedules.md": "schedules*6",
    "docs/how-to/traces.md": "traces",
    "docs/how-to/use-a-connector.md": "api*4",
    "docs/how-to/when-to-add-a-machine.md": "alerts",
    "docs/how-to/your-first-integration.md": "picture make integration*11",
    "docs/quickstart.md": "make quickstart*15 make",
    "docs/reference/conventions.md": "api",
    "docs/reference/operational-events.md": "api operational operational-event",
    "docs/reference/patterns.md": "reference-pattern*5",
    "docs/reference/senders.md": "api",
    "docs/reference/source-kinds.md": "kind-of-source",
    "docs/why/architecture.md": "plan",
    "docs/why/how-a-drain-works.md": "picture*2",
    "docs/why/isolation.md": "make attack",
}


def words_of(page: str) -> list[str]:
    """Return the word of each block of a page."""
    entries = (entry.partition("*") for entry in INVENTORY.get(page, "").split())
    return [word for word, _, times in entries for _ in range(int(times or 1))]


def blocks_for(*words: str) -> list[Block]:
    """Return all blocks that these words check, by page."""
    return [
        block
        for page in INVENTORY
        for word, block in zip(words_of(page), blocks_of(page), strict=True)
        if word in words
    ]


def block_for(word: str) -> Block:
    """Return the only block that this word checks."""
    (block,) = blocks_for(word)
    return block
