/* A stand-in for a card's library, from the declarations of GM/T 0018. Signing is the test's own. */
#include <string.h>
#ifndef ECCref_MAX_LEN
#define ECCref_MAX_LEN 64
#endif

typedef struct { unsigned int bits; unsigned char x[ECCref_MAX_LEN]; unsigned char y[ECCref_MAX_LEN]; } ECCrefPublicKey;
typedef struct { unsigned char r[ECCref_MAX_LEN]; unsigned char s[ECCref_MAX_LEN]; } ECCSignature;
typedef int (*Sign)(unsigned int index, const unsigned char *e, unsigned char *rs);

static Sign sign_with;
static unsigned char point[64];
static int device, sessions[64], rights[64], opened;

void soft_set(Sign sign, const unsigned char *xy) { sign_with = sign; memcpy(point, xy, 64); opened = 0; }
int soft_open_sessions(void) { return opened; }
int soft_public_size(void) { return sizeof(ECCrefPublicKey); }
int soft_signature_size(void) { return sizeof(ECCSignature); }

int SDF_OpenDevice(void **h) { *h = &device; return 0; }
int SDF_CloseDevice(void *h) { return h == &device ? 0 : 0x01000003; }
int SDF_OpenSession(void *h, void **s) {
    if (h != &device) return 0x01000003;
    rights[opened] = 0;
    *s = &sessions[opened++];
    return 0;
}
int SDF_CloseSession(void *s) { (void)s; opened--; return 0; }
static int place(void *s) { return (int)((int *)s - sessions); }
int SDF_GetPrivateKeyAccessRight(void *s, unsigned int index, unsigned char *word, unsigned int n) {
    if (n != 8 || memcmp(word, "password", 8)) return 0x01000010;
    rights[place(s)] = (int)index;
    return 0;
}
int SDF_InternalSign_ECC(void *s, unsigned int index, unsigned char *e, unsigned int n, ECCSignature *out) {
    unsigned char rs[64];
    if (rights[place(s)] != (int)index) return 0x0100000F;
    if (n != 32) return 0x01000020;
    int code = sign_with(index, e, rs);
    if (code) return code;
    memset(out, 0, sizeof *out);
    memcpy(out->r + ECCref_MAX_LEN - 32, rs, 32);
    memcpy(out->s + ECCref_MAX_LEN - 32, rs + 32, 32);
    return 0;
}
int SDF_ExportSignPublicKey_ECC(void *s, unsigned int index, ECCrefPublicKey *out) {
    (void)s;
    if (index != 7) return 0x01000008;
    memset(out, 0, sizeof *out);
    out->bits = 256;
    memcpy(out->x + ECCref_MAX_LEN - 32, point, 32);
    memcpy(out->y + ECCref_MAX_LEN - 32, point + 32, 32);
    return 0;
}
