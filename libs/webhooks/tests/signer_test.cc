#include "libs/webhooks/signer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/twilio/signature.h"
#include "libs/twilio/tests/signature_vectors.h"
#include "libs/twilio/url.h"
#include "libs/webhooks/webhook.h"

namespace parley::webhooks {
namespace {

constexpr char kFormType[] = "application/x-www-form-urlencoded";
const Secret kNone;

// A vector as it arrives: the public URL is what SERVER_URL holds, the rest is the request.
struct Arrived {
  explicit Arrived(const twilio::SignatureVector& vector)
      : body(vector.body.empty() ? twilio::EncodeForm(vector.params) : std::string(vector.body)) {
    const auto parts = twilio::SplitUrl(vector.url);
    EXPECT_TRUE(parts.ok()) << vector.url;
    const auto begin = static_cast<std::size_t>(parts->path.data() - vector.url.data());
    public_url = vector.url.substr(0, begin);
    request = {.is_get = vector.params.empty() && vector.body.empty(),
               .target = vector.url.substr(begin),
               .content_type = vector.body.empty() ? kFormType : "application/json",
               .signature = vector.signature,
               .body = body};
  }

  absl::Status Verify(const Secret& token) const {
    auto params = twilio::ParseForm(request.is_get ? "" : request.body);
    EXPECT_TRUE(params.ok());
    const std::string_view urls[] = {"", "https://elsewhere.example", public_url};
    return VerifySigner(request, *params,
                        {.token = token, .secondary_token = kNone, .public_urls = urls});
  }

  std::string body;
  std::string_view public_url;
  WebhookRequest request;
};

TEST(VerifySigner, TakesEveryKnownVectorAsItArrives) {
  int forms = 0;
  for (const twilio::SignatureVector& vector : twilio::kSignatureVectors) {
    const Arrived arrived(vector);
    if (!vector.body.empty()) {  // Twilio never sends us JSON.
      Webhook webhook;
      EXPECT_EQ(ErrorReason(ParseWebhook(Kind::kMessage, arrived.request, webhook)),
                "CONTENT_TYPE");
      continue;
    }
    ++forms;
    EXPECT_TRUE(arrived.Verify(twilio::kVectorToken).ok()) << "row " << vector.row;
    EXPECT_FALSE(arrived.Verify(Secret("54321")).ok()) << "row " << vector.row;
    Arrived moved = arrived;
    const std::string target = std::string(moved.request.target) + "x";
    moved.request.target = target;
    EXPECT_FALSE(moved.Verify(twilio::kVectorToken).ok()) << "row " << vector.row;
  }
  EXPECT_EQ(forms, 28);
}

TEST(VerifySigner, SaysWhichAddressWasSigned) {
  const twilio::FormParams params = {{"a", "1"}};
  const std::string signature = twilio::Sign("https://b.example:8443/x", params, Secret("t"));
  const WebhookRequest request{.target = "/x", .signature = signature};
  const std::string_view urls[] = {"https://a.example", "", "https://b.example:8443"};
  std::string_view verified;
  EXPECT_TRUE(VerifySigner(request, params,
                           {.token = Secret("t"), .secondary_token = kNone, .public_urls = urls},
                           &verified)
                  .ok());
  EXPECT_EQ(verified, "https://b.example:8443");
}

TEST(VerifySigner, WithoutAnyAddressNobodyIsLetIn) {
  const twilio::FormParams params = {{"a", "1"}};
  const std::string signature = twilio::Sign("/x", params, Secret("t"));
  const WebhookRequest request{.target = "/x", .signature = signature};
  const std::string_view urls[] = {"", ""};
  EXPECT_EQ(
      ErrorReason(VerifySigner(
          request, params, {.token = Secret("t"), .secondary_token = kNone, .public_urls = urls})),
      "SIGNATURE_MISMATCH");
}

TEST(TriedUrls, AreWhatTheOperatorCompares) {
  const WebhookRequest request{.target = "/x?a=1"};
  const std::string_view urls[] = {"", "https://a.example", "https://a.example",
                                   "http://b.example:8080"};
  EXPECT_THAT(TriedUrls(request, urls),
              testing::ElementsAre("https://a.example/x?a=1", "https://a.example:443/x?a=1",
                                   "http://b.example:8080/x?a=1", "http://b.example/x?a=1"));
}

}  // namespace
}  // namespace parley::webhooks
