/*
 * An OpenSSL of its own for an engine whose every byte must come from one seed, as a simulator's: a library context whose
 * only source of randomness is a provider of ours, SHA-256 over seed and counter. Other engines have the process's OpenSSL
 * and the system's randomness.
 */
#include "tls.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <string.h>

#define BLOCK_BYTES 32
#define STRENGTH 256

struct tls_random {
  OSSL_LIB_CTX *library;
  OSSL_PROVIDER *provider, *standard;
  uint8_t seed[TLS_SEED_BYTES + sizeof(uint64_t)]; /* and the counter */
  uint64_t blocks;
};

/* Whose provider is being loaded: OpenSSL hands no word of ours to it. */
static _Thread_local struct tls_random *loading;

static void *generator_new(void *random, void *parent, const OSSL_DISPATCH *calls) {
  (void)parent;
  (void)calls;
  return random;
}

static void generator_free(void *random) { (void)random; }

static int generator_start(void *random, unsigned int strength, int resistance, const unsigned char *text,
                           size_t length, const OSSL_PARAM parameters[]) {
  (void)random;
  (void)strength;
  (void)resistance;
  (void)text;
  (void)length;
  (void)parameters;
  return 1;
}

static int generator_stop(void *random) {
  (void)random;
  return 1;
}

static int generate(void *thing, unsigned char *out, size_t length, unsigned int strength, int resistance,
                    const unsigned char *text, size_t text_length) {
  struct tls_random *random = thing;
  uint8_t block[BLOCK_BYTES];
  (void)strength;
  (void)resistance;
  (void)text;
  (void)text_length;
  for (size_t done = 0; done < length; done += BLOCK_BYTES) {
    size_t part = length - done < BLOCK_BYTES ? length - done : BLOCK_BYTES;
    random->blocks++;
    memcpy(random->seed + TLS_SEED_BYTES, &random->blocks, sizeof random->blocks);
    if (EVP_Digest(random->seed, sizeof random->seed, block, NULL, EVP_sha256(), NULL) != 1) return 0;
    memcpy(out + done, block, part);
  }
  OPENSSL_cleanse(block, sizeof block);
  return 1;
}

static int generator_lockable(void *random) {
  (void)random;
  return 1; /* one thread has the engine, so there is nothing to lock */
}

static int generator_lock(void *random) {
  (void)random;
  return 1;
}

static void generator_unlock(void *random) { (void)random; }

static int generator_parameters(void *random, OSSL_PARAM parameters[]) {
  (void)random;
  OSSL_PARAM *each = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_STATE);
  if (each != NULL && OSSL_PARAM_set_int(each, EVP_RAND_STATE_READY) != 1) return 0;
  each = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_STRENGTH);
  if (each != NULL && OSSL_PARAM_set_uint(each, STRENGTH) != 1) return 0;
  each = OSSL_PARAM_locate(parameters, OSSL_RAND_PARAM_MAX_REQUEST);
  return each == NULL || OSSL_PARAM_set_size_t(each, 1 << 16) == 1;
}

typedef void (*function)(void);

static const OSSL_DISPATCH generator[] = {
    {OSSL_FUNC_RAND_NEWCTX, (function)generator_new},
    {OSSL_FUNC_RAND_FREECTX, (function)generator_free},
    {OSSL_FUNC_RAND_INSTANTIATE, (function)generator_start},
    {OSSL_FUNC_RAND_UNINSTANTIATE, (function)generator_stop},
    {OSSL_FUNC_RAND_GENERATE, (function)generate},
    {OSSL_FUNC_RAND_ENABLE_LOCKING, (function)generator_lockable},
    {OSSL_FUNC_RAND_LOCK, (function)generator_lock},
    {OSSL_FUNC_RAND_UNLOCK, (function)generator_unlock},
    {OSSL_FUNC_RAND_GET_CTX_PARAMS, (function)generator_parameters},
    {0, NULL},
};

static const OSSL_ALGORITHM algorithms[] = {
    {"WEFT-RANDOM", "provider=weft", generator, "bytes that a seed determines"},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *random, int operation, int *no_cache) {
  (void)random;
  *no_cache = 0;
  return operation == OSSL_OP_RAND ? algorithms : NULL;
}

static const OSSL_DISPATCH provider[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (function)query},
    {0, NULL},
};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                         void **context) {
  (void)handle;
  (void)in;
  *out = provider;
  *context = loading;
  return 1;
}

struct tls_random *tls_random_new(const uint8_t seed[TLS_SEED_BYTES]) {
  struct tls_random *random = OPENSSL_zalloc(sizeof *random);
  if (random == NULL) return NULL;
  memcpy(random->seed, seed, TLS_SEED_BYTES);
  random->library = OSSL_LIB_CTX_new();
  loading = random;
  if (random->library != NULL && OSSL_PROVIDER_add_builtin(random->library, "weft", provider_init) == 1 &&
      (random->standard = OSSL_PROVIDER_load(random->library, "default")) != NULL &&
      (random->provider = OSSL_PROVIDER_load(random->library, "weft")) != NULL &&
      RAND_set_DRBG_type(random->library, "WEFT-RANDOM", NULL, NULL, NULL) == 1)
    return random;
  tls_random_drop(random);
  return NULL;
}

void tls_random_drop(struct tls_random *random) {
  if (random == NULL) return;
  if (random->provider != NULL) OSSL_PROVIDER_unload(random->provider);
  if (random->standard != NULL) OSSL_PROVIDER_unload(random->standard);
  OSSL_LIB_CTX_free(random->library);
  OPENSSL_clear_free(random, sizeof *random);
}

OSSL_LIB_CTX *tls_library(const struct tls_engine *engine) {
  return engine->random == NULL ? NULL : engine->random->library;
}
