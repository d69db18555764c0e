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
enum { HANDLES = 64, IN_USE = 1, LOST = 2 };
static int devices[HANDLES], sessions[HANDLES], rights[HANDLES];
static int device, opened, claims;

void soft_set(Sign sign, const unsigned char *xy) {
    sign_with = sign;
    memcpy(point, xy, 64);
    memset(sessions, 0, sizeof sessions);
    device = opened = claims = 0;
}
/* The card loses its sessions; with the device its handles too. */
void soft_reset(int with_device) {
    for (int at = 0; at < HANDLES; at++) if (sessions[at]) sessions[at] = LOST;
    device += with_device;
}
int soft_open_sessions(void) {
    int n = 0;
    for (int at = 0; at < HANDLES; at++) n += sessions[at] == IN_USE;
    return n;
}
int soft_lost_sessions(void) {
    int n = 0;
    for (int at = 0; at < HANDLES; at++) n += sessions[at] == LOST;
    return n;
}
int soft_opened(void) { return opened; }
int soft_claims(void) { return claims; }
int soft_public_size(void) { return sizeof(ECCrefPublicKey); }
int soft_signature_size(void) { return sizeof(ECCSignature); }

int SDF_OpenDevice(void **h) { *h = &devices[device]; return 0; }
int SDF_CloseDevice(void *h) { return h == &devices[device] ? 0 : 0x01000003; }
int SDF_OpenSession(void *h, void **s) {
    int at = 0;
    if (h != &devices[device]) return 0x01000003;
    while (at < HANDLES && sessions[at]) at++;
    if (at == HANDLES) return 0x01000006;
    sessions[at] = IN_USE;
    rights[at] = 0;
    opened++;
    *s = &sessions[at];
    return 0;
}
int SDF_CloseSession(void *s) {
    int was = *(int *)s;
    *(int *)s = 0;
    return was == IN_USE ? 0 : 0x01000006;
}
static int place(void *s) { return (int)((int *)s - sessions); }
int SDF_GetPrivateKeyAccessRight(void *s, unsigned int index, unsigned char *word, unsigned int n) {
    claims++;
    if (n != 8 || memcmp(word, "password", 8)) return 0x01000010;
    rights[place(s)] = (int)index;
    return 0;
}
int SDF_InternalSign_ECC(void *s, unsigned int index, unsigned char *e, unsigned int n, ECCSignature *out) {
    unsigned char rs[64];
    if (sessions[place(s)] != IN_USE) return 0x01000006;
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
    if (sessions[place(s)] != IN_USE) return 0x01000006;
    if (index != 7) return 0x01000008;
    memset(out, 0, sizeof *out);
    out->bits = 256;
    memcpy(out->x + ECCref_MAX_LEN - 32, point, 32);
    memcpy(out->y + ECCref_MAX_LEN - 32, point + 32, 32);
    return 0;
}
