# Store, projector, relay, dispatcher and live hub: their sources and tests. Included by
# CMakeLists.txt, which makes the library of them.
set(GATEWAY_PIPELINE_SOURCES
    src/dispatcher/dispatcher.cc
    src/domain/message.cc
    src/domain/status.cc
    src/domain/turn.cc
    src/live/events.cc
    src/live/feed.cc
    src/live/server.cc
    src/live/sse.cc
    src/projector/projector.cc
    src/projector/records.cc
    src/relay/batch.cc
    src/relay/leader.cc
    src/relay/relay.cc
    src/store/claims.cc
    src/store/commands.cc
    src/store/directory.cc
    src/store/inbox.cc
    src/store/live_json.cc
    src/store/outbox.cc
    src/store/resources.cc
    src/store/statuses.cc
    src/store/turns.cc)
