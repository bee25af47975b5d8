// The transport over TLS, against a server whose certificate is made here.
#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "libs/base/id.h"
#include "libs/twilio/client.h"

namespace parley::twilio {
namespace {

// A certificate for `name` ("IP:127.0.0.1", "DNS:localhost"), signed by itself, and its key.
struct Certificate {
  explicit Certificate(const char* name)
      : cert_file(testing::TempDir() + "/parley-" + NewId() + ".crt"),
        key_file(cert_file + ".key") {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name);
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(cert, key, EVP_sha256());
    FILE* file = std::fopen(cert_file.c_str(), "w");
    PEM_write_X509(file, cert);
    std::fclose(file);
    file = std::fopen(key_file.c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
  }
  ~Certificate() {
    std::filesystem::remove(cert_file);
    std::filesystem::remove(key_file);
  }

  const std::string cert_file;
  const std::string key_file;
};

class TlsServer {
 public:
  explicit TlsServer(const Certificate& certificate)
      : server_(certificate.cert_file.c_str(), certificate.key_file.c_str()) {
    server_.set_keep_alive_max_count(1000);
    server_.Post(".*", [this](const httplib::Request&, httplib::Response& response) {
      ++requests;
      response.set_content(R"({"sid":"SM)" + std::string(32, 'a') + R"(","status":"queued"})",
                           "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~TlsServer() {
    server_.stop();
    thread_.join();
  }
  std::string url(const std::string& host) const {
    return "https://" + host + ":" + std::to_string(port_);
  }

  std::atomic<int> requests{0};

 private:
  httplib::SSLServer server_;
  int port_;
  std::thread thread_;
};

SendOutcome Send(Client& client) {
  return client.CreateMessage(Account("AC" + std::string(32, '1'), Secret("t")),
                              {.to = "+15005550010", .from = "+15005550006", .body = "Hi"});
}

std::unique_ptr<Client> MakeClient(const std::string& url, const std::string& ca_file) {
  TransportOptions options;
  options.base_url = url;
  options.ca_file = ca_file;
  return *Client::Create(options);
}

TEST(Tls, SendsToAServerWhoseNameIsCertified) {
  const Certificate certificate("IP:127.0.0.1,DNS:localhost");
  TlsServer server(certificate);
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto client = MakeClient(server.url(host), certificate.cert_file);
    for (int i = 0; i < 3; ++i) {
      const SendOutcome outcome = Send(*client);
      EXPECT_NE(std::get_if<Accepted>(&outcome), nullptr) << host << " " << i;
    }
  }
  EXPECT_EQ(server.requests, 6);
}

TEST(Tls, WritesNothingToAServerOfAnotherName) {
  const Certificate certificate("DNS:elsewhere.example");
  TlsServer server(certificate);
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const SendOutcome outcome = Send(*MakeClient(server.url(host), certificate.cert_file));
    EXPECT_NE(std::get_if<NotWritten>(&outcome), nullptr) << host;
  }
  EXPECT_EQ(server.requests, 0);
}

TEST(Tls, WritesNothingToAServerOfAnUnknownAuthority) {
  const Certificate certificate("IP:127.0.0.1");
  const Certificate other("IP:127.0.0.1");
  TlsServer server(certificate);
  const SendOutcome outcome = Send(*MakeClient(server.url("127.0.0.1"), other.cert_file));
  EXPECT_NE(std::get_if<NotWritten>(&outcome), nullptr);
  const SendOutcome by_system = Send(*MakeClient(server.url("127.0.0.1"), ""));
  EXPECT_NE(std::get_if<NotWritten>(&by_system), nullptr);
  EXPECT_EQ(server.requests, 0);
}

TEST(Tls, NamesAnUnusableFileOfAuthorities) {
  TransportOptions options;
  options.ca_file = "no such file";
  EXPECT_FALSE(Client::Create(options).ok());
}

}  // namespace
}  // namespace parley::twilio
