#include "simulator.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>

namespace parley::simulator {
namespace {

constexpr Micros kNotSet = std::numeric_limits<Micros>::max();
constexpr std::chrono::seconds kHeartbeat{15};
constexpr std::chrono::milliseconds kSaveDelay{100};

}  // namespace

Simulator::Simulator(boost::asio::io_context& io, WorldOptions options)
    : io_(io),
      world_(std::make_unique<World>(std::move(options))),
      timer_(io),
      heartbeat_(io),
      timer_due_(kNotSet),
      save_timer_(io) {
  dispatcher_ = std::make_unique<Dispatcher>(
      io, world_->settings, [this](const Webhook& webhook, const WebhookResult& result) {
        const auto waiting = waiting_.find(webhook.id);
        std::function<void(const WebhookResult&)> done;
        if (waiting != waiting_.end()) {
          done = std::move(waiting->second);
          waiting_.erase(waiting);
        }
        world_->OnWebhook(webhook, result, Now());
        if (done) done(result);
        Pump();
      });
}

void Simulator::Pump() {
  for (Webhook& webhook : world_->TakeWebhooks()) dispatcher_->Send(std::move(webhook));
  const Micros due = world_->NextDue();
  if (due >= timer_due_) return;
  timer_due_ = due;
  timer_.expires_after(std::chrono::microseconds(std::max<Micros>(0, due - Now())));
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) OnTimer();
  });
}

void Simulator::OnTimer() {
  timer_due_ = kNotSet;
  world_->Advance(Now());
  Pump();
}

void Simulator::After(int delay_ms, std::function<void()> what) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_);
  timer->expires_after(std::chrono::milliseconds(delay_ms));
  timer->async_wait([timer, what = std::move(what)](boost::system::error_code error) {
    if (!error) what();
  });
}

void Simulator::WaitFor(std::uint64_t id, std::function<void(const WebhookResult&)> done) {
  waiting_[id] = std::move(done);
}

void Simulator::Watch(std::shared_ptr<EventStream> stream) {
  watchers_.push_back(std::move(stream));
  if (world_->on_change) return;
  world_->on_change = [this](const Json& change) { Tell(change); };
  Beat();
}

void Simulator::Tell(const Json& change) {
  const std::string text =
      "data: " + change.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
  for (const auto& watcher : watchers_) watcher->Push(text);
}

// Finds out who has gone; with nobody left, changes cost nothing again.
void Simulator::Beat() {
  for (const auto& watcher : watchers_) watcher->Push(": still here\n\n");
  std::erase_if(watchers_, [](const auto& watcher) { return watcher->closed(); });
  if (watchers_.empty()) {
    world_->on_change = nullptr;
    return;
  }
  heartbeat_.expires_after(kHeartbeat);
  heartbeat_.async_wait([this](boost::system::error_code error) {
    if (!error) Beat();
  });
}

std::string Simulator::KeepState(std::string path) {
  state_path_ = std::move(path);
  std::ifstream file(state_path_);
  if (!file) return {};
  std::stringstream text;
  text << file.rdbuf();
  saved_state_ = text.str();
  return world_->LoadState(Json::parse(saved_state_, nullptr, false), Now());
}

void Simulator::StateMayHaveChanged() {
  if (state_path_.empty() || save_pending_) return;
  save_pending_ = true;
  save_timer_.expires_after(kSaveDelay);
  save_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) SaveState();
  });
}

void Simulator::SaveState() {
  save_pending_ = false;
  if (state_path_.empty()) return;
  std::string text = world_->SaveState().dump(1, ' ', false, Json::error_handler_t::replace);
  if (text == saved_state_) return;
  const std::string fresh = state_path_ + ".new";
  // Nobody but the owner reads the accounts' tokens.
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written = file >= 0;
  for (std::size_t at = 0; written && at < text.size();) {
    const ssize_t count = write(file, text.data() + at, text.size() - at);
    written = count > 0;
    if (written) at += static_cast<std::size_t>(count);
  }
  if (file >= 0) close(file);
  if (!written || std::rename(fresh.c_str(), state_path_.c_str()) != 0) {
    std::cerr << "twilio-simulator: " << state_path_ << " cannot be written\n";
    return;
  }
  saved_state_ = std::move(text);
}

void Simulator::Reset() {
  world_->Reset();
  StateMayHaveChanged();
  if (world_->on_change) Tell({{"type", "reset"}});
}

}  // namespace parley::simulator
