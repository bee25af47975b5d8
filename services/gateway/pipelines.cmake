# Store, projector, relay, dispatcher and live hub: their sources and tests. Included by
# CMakeLists.txt, which makes the library of them.
set(GATEWAY_PIPELINE_SOURCES
    src/dispatcher/dispatcher.cc
    src/domain/auto_reply.cc
    src/domain/message.cc
    src/domain/status.cc
    src/domain/turn.cc
    src/domain/unconfirmed.cc
    src/live/events.cc
    src/live/feed.cc
    src/live/server.cc
    src/live/sse.cc
    src/projector/projector.cc
    src/projector/records.cc
    src/relay/batch.cc
    src/relay/consents.cc
    src/relay/flight.cc
    src/relay/leader.cc
    src/relay/relay.cc
    src/store/calls.cc
    src/store/claims.cc
    src/store/commands.cc
    src/store/consent.cc
    src/store/conversation_rows.cc
    src/store/decisions.cc
    src/store/directory.cc
    src/store/inbox.cc
    src/store/live_json.cc
    src/store/outbox.cc
    src/store/resources.cc
    src/store/statuses.cc
    src/store/turns.cc)

# Tests of the rules alone; tests/integration/gateway-pipelines has those against real servers.
set(GATEWAY_PIPELINE_TESTS
    tests/domain/auto_reply_test.cc
    tests/domain/message_test.cc
    tests/domain/status_test.cc
    tests/domain/turn_test.cc
    tests/live/feed_test.cc
    tests/live/sse_test.cc
    tests/projector/records_test.cc
    tests/relay/flight_test.cc
    tests/store/live_json_test.cc)

# GCC's thread sanitizer does not know the fences that Asio uses beside its own synchronization.
if(PARLEY_SANITIZE MATCHES "thread")
  set_source_files_properties(src/live/server.cc PROPERTIES COMPILE_OPTIONS "-Wno-tsan")
endif()
