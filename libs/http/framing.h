// Where a request's body ends (RFC 9112 §6). Pure. cpp-httplib decides it differently in different
// places, and what one side takes for a body and the other for the next request is how requests are
// smuggled through proxies: what could be read in two ways is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace parley::http {

class Framing {
 public:
  // One header line, without its line end. False: it makes the request's end doubtful.
  bool TakeHeader(std::string_view line);
  // After the last header. False as above.
  bool EndHead();

  // How many bytes may be read next without passing the body's end; at most `wanted`. 0: it ended.
  std::size_t Allow(std::size_t wanted) const;
  // These bytes of the body were read. False: they are no chunks.
  bool Take(std::string_view bytes);
  // The whole body was taken.
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSized, kChunkSize, kChunkExtension, kChunkData, kChunkEnd, kTrailer, kDone };
  bool TakeByte(char c);

  State state_ = State::kDone;
  bool has_length_ = false;
  bool is_chunked_ = false;
  std::uint64_t left_ = 0;      // Of the body, or of the present chunk.
  std::size_t line_bytes_ = 0;  // Of the present chunk's head, or trailer line.
  std::size_t trailer_bytes_ = 0;
};

}  // namespace parley::http
