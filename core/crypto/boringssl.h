// For .cc files of this folder and core/tls only, before any other <openssl/...> header. The system's include path holds
// OpenSSL's headers of the same names; compiled against those, a file would silently call the wrong library.
#pragma once

#include <openssl/base.h>
#include <openssl/is_boringssl.h>  // OpenSSL has no such file
#ifndef OPENSSL_IS_BORINGSSL
#error "these are not BoringSSL's headers: link BoringSSL::crypto"
#endif
