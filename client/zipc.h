/*
 * zipc: messages between processes of one machine, through shared memory. This header is the manual of the C API.
 *
 * A channel is a named, one-way queue between one sender and one receiver. Sending copies the message into shared memory and
 * publishes it; receiving gives a pointer to it there. While both sides are busy neither makes a system call.
 *
 *   ZipcContext sender = zipc_create_sender("/camera", 64, 1024);       one process
 *   if (!zipc_send(&sender, data, size)) puts(zipc_last_error()->message);
 *
 *   ZipcContext receiver = zipc_create_receiver("/camera", 64, 1024);   another; either may come first
 *   uint8_t *message;
 *   uint32_t size = zipc_receive_blocking(&receiver, &message, 1000);
 *
 * BROKER. When zipcd listens, it makes the channel and hands it out; otherwise the two sides make it themselves, with the
 * same rules. Environment: ZIPC_BROKER=auto (default), require (never without a broker), off (never ask one);
 * ZIPC_BROKER_TIMEOUT=milliseconds (default 10000): how long to wait for a broker that must be there, or was there and is being
 * restarted, and for its answer. ZIPC_SOCKET=path is tried first, then $XDG_RUNTIME_DIR/zipcd.sock, then /run/zipcd.sock. A
 * broker that refuses is an error; it is never bypassed.
 *
 * NAMES start with '/', have no other '/', 2 to 39 printable characters without spaces (macOS: 31).
 * SIZES: queue_size 2 to 2^24 slots, of which one always stays free; message_size 1 to 2^31 bytes.
 *
 * ROLES. A channel has one sender and one receiver at a time: another process that asks for a role that is held is refused
 * (ZIPC_ERROR_ROLE_TAKEN, with the holder's pid). The process that holds it may ask again: it gets a further context and goes
 * on where it was. A role ends with zipc_destroy of its last context, or with the process, however that ends.
 *
 * PEERS. Either side may end, be killed, be replaced; the channel and its messages stay. A message is published whole or not
 * at all. When the peer has gone, and nothing of it is left (the queue is empty for a receiver, full for a sender), the next
 * call, also one that is asleep, fails once with ZIPC_ERROR_PEER_GONE; zipc_peer() says who it was and how it ended. Who took its
 * role after the peer had gone is not told. Further calls wait for a successor. A successor goes on at the next message: zipc_stats() tells a sender how many were sent.
 *   sent                   exactly once: true means published; a sender that was killed has published it or has not
 *   zipc_peek, zipc_pop    at least once: what was peeked at and not popped is there again for the successor
 *   zipc_receive           at most once: what was received by a process that was killed does not come again
 * (If what tells a side of a departure is killed while it does, the side may be told twice. A killed sender may have counted
 * the bytes of a message that it did not publish.) Without a broker the peer of a process that was killed learns it within
 * 100 ms, with one within a few; who comes later cannot tell there whether it left or died.
 *
 * MOVING. The broker may give a channel other memory while it is in use: other sizes, or because a lease was revoked or not
 * renewed in time. The messages that wait and the other side's contexts follow by themselves; params in the context may be
 * others then. Who lost its role is told ZIPC_ERROR_FENCED, and whatever it writes is read by nobody. A call that meets this
 * takes as long as the broker takes to answer. If no broker answers within ZIPC_BROKER_TIMEOUT the call fails with
 * ZIPC_ERROR_NO_BROKER or BUSY (or OUT_OF_MEMORY, where there is none for the channel's); later calls try again. Every call of the
 * message path may fail so. Whether a message whose sending failed so is sent is open until then, and
 * a message that was just being received may come again if the receiver dies before a later call.
 *
 * THREADS. Different contexts may be used from different threads at once, but the contexts of one role of one channel by
 * one thread at a time. Creating and destroying is safe from any thread. After fork() the child may go on with an inherited
 * context (and then the parent must not), and may create its own.
 *
 * WAITING. Each context waits in a way of its own, which its peer need not know: adaptive, unless the broker's configuration
 * says otherwise for the channel (waiting, see zipcd.yaml(5)), or the program does (zipc_set_waiting).
 *   adaptive  Spins for up to 25 microseconds, less where that has turned out to be in vain, then sleeps until it is woken.
 *             Costs: that much processor time a wait. Once it sleeps, two system calls of its own, one of the peer, and the
 *             system's time to wake it.
 *   spin      Looks without end. Reacts fastest; the peer never makes a system call for it. Costs: a whole processor while it
 *             waits. Every 25 microseconds it lets others run that want its processor; where that is the peer, each wait takes
 *             a few times that long, and sleep is far faster.
 *   sleep     Announces itself and sleeps, at once. Costs: the least processor time, but for each wait what adaptive costs once
 *             it sleeps, also when the peer is about to answer.
 *   poll      Looks, sleeps for 50 microseconds, looks, sleeps for twice as long, and so on up to 1 ms. The peer never makes a
 *             system call for it. Costs: reacts up to one such step late; a thousand wake-ups a second while nothing happens.
 * That the peer has gone, that the channel moves, and the end of the time given are noticed in each way alike. A peer that is
 * waiting is seen by zipcctl only if it sleeps until it is woken.
 *
 * ENVIRONMENT. Besides that of BROKER: ZIPC_MEMBARRIER and ZIPC_WRITE_BACK, see zipc(3).
 *
 * ERRORS. Every function that fails says why in zipc_last_error(), per thread. The library never prints and never exits.
 *
 * OWNERSHIP. A ZipcContext is a value: keep it where you like, copy it, pass it on; what it points to is the library's. A
 * pointer to a received message points into the channel; see zipc_receive for how long it stays good.
 */
#ifndef ZIPC_H
#define ZIPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h> /* programs written for ZIPC use strlen without including it */

#if defined(__GNUC__)
#define ZIPC_API __attribute__((visibility("default")))
#else
#define ZIPC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define ZIPC_MODE_SERVER 0 /* sender */
#define ZIPC_MODE_CLIENT 1 /* receiver */

/* Why a call failed. The numbers never change their meaning; they are also zipcctl's exit codes. zipc_error_name() and
 * zipc_error_advice() put them into words. */
typedef enum zipc_error {
  ZIPC_OK = 0,
  ZIPC_ERROR_SYSTEM = 1,               /* the operating system refused; the message holds its words */
  ZIPC_ERROR_INVALID_ARGUMENT = 2,     /* a null pointer, an impossible value */
  ZIPC_ERROR_INVALID_NAME = 3,         /* see NAMES above */
  ZIPC_ERROR_INVALID_PARAMS = 4,       /* see SIZES above */
  ZIPC_ERROR_FULL = 5,                 /* the queue is full; nothing was written */
  ZIPC_ERROR_EMPTY = 6,                /* no message is waiting */
  ZIPC_ERROR_TIMEOUT = 7,              /* the time given ran out */
  ZIPC_ERROR_MESSAGE_TOO_LARGE = 8,    /* longer than message_size; nothing was written */
  ZIPC_ERROR_CLOSED = 9,               /* the context was destroyed or never created, or has the other role */
  ZIPC_ERROR_ROLE_TAKEN = 10,          /* another process holds the role: holder_pid */
  ZIPC_ERROR_PARAMS_MISMATCH = 11,     /* the channel has other sizes: the message gives both */
  ZIPC_ERROR_CHANNEL_NOT_FOUND = 12,   /* no channel of this name */
  ZIPC_ERROR_CHANNEL_EXISTS = 13,      /* the name is in use */
  ZIPC_ERROR_CHANNEL_IN_USE = 14,      /* somebody holds a role of it */
  ZIPC_ERROR_CHANNEL_PROVISIONED = 15, /* the broker's configuration provides it */
  ZIPC_ERROR_PERMISSION_DENIED = 16,   /* the broker's rules or the segment's mode say no: the message names the rule */
  ZIPC_ERROR_LIMIT_REACHED = 17,       /* a limit of the broker's configuration: the message names it */
  ZIPC_ERROR_OUT_OF_MEMORY = 18,       /* not enough shared memory */
  ZIPC_ERROR_CORRUPT = 19,             /* shared memory holds an impossible value: another process wrote it */
  ZIPC_ERROR_FOREIGN_SEGMENT = 20,     /* a file of this name is there that is no segment of this channel */
  ZIPC_ERROR_NO_BROKER = 21,           /* nobody listens, and one is needed: ZIPC_BROKER=require, MOVING, zipc_fd, zipc_renew */
  ZIPC_ERROR_PROTOCOL = 22,            /* what listens at the socket does not speak our protocol */
  ZIPC_ERROR_LEASE_NOT_FOUND = 23,     /* (broker protocol only) */
  ZIPC_ERROR_BUSY = 24,                /* another process is setting the channel up and does not finish, or the
                                        * broker does not say whether the channel moves */
  ZIPC_ERROR_UNSUPPORTED = 25,         /* not on this platform */
  ZIPC_ERROR_PEER_GONE = 26,           /* the other end has gone, and nothing of it is left: see PEERS */
  ZIPC_ERROR_FENCED = 27,              /* this role was revoked, or not renewed in time: see MOVING */
  ZIPC_ERROR_INVALID_CONFIG = 28       /* (broker protocol only) */
} zipc_error;

/* The sizes of a channel. */
typedef struct {
  uint32_t message_size; /* longest message in bytes */
  uint32_t queue_size;   /* slots; queue_size - 1 messages fit */
} ZipcParams;

typedef struct ZipcQueue ZipcQueue; /* opaque */

/* One end of a channel. Only these fields may be read: id, mode, name, params, and `queue`, which is NULL when creating
 * failed or after zipc_destroy. Every call on such a context does nothing but fail with ZIPC_ERROR_CLOSED. */
typedef struct {
  uint64_t id;        /* unique on this machine while the process lives */
  uint8_t mode;       /* ZIPC_MODE_SERVER or ZIPC_MODE_CLIENT */
  uint8_t padding[7]; /* the library's */
  char name[40];      /* of the channel, NUL-terminated */
  ZipcParams params;
  ZipcQueue *queue;   /* the library's, as are the following */
  void *buffers;
  int32_t *init_flag;
} ZipcContext;

/* What the last failed call of this thread had to say. Successful calls leave it as it is. */
typedef struct {
  zipc_error code;
  int32_t holder_pid;  /* ZIPC_ERROR_ROLE_TAKEN: who holds the role, as far as known; otherwise 0 */
  char message[512];   /* one sentence that names the operands, NUL-terminated */
} ZipcError;

/* Counters of a channel since its creation. They stand in shared memory, where both peers write them. */
typedef struct {
  uint64_t sent;       /* messages */
  uint64_t bytes_sent;
  uint64_t received;   /* messages */
  uint64_t full;       /* how often the sender met a full queue */
  uint32_t depth;      /* messages waiting now */
  uint32_t deepest;    /* most messages ever found waiting */
  uint32_t largest;    /* longest message ever sent, in bytes */
  uint32_t reserved;   /* 0 */
} ZipcStats;

/* How the blocking calls of a context wait, for a message or for space: see WAITING, and zipc_set_waiting. */
typedef enum zipc_waiting {
  ZIPC_WAITING_ADAPTIVE = 0, /* spins for a while, then sleeps until it is woken */
  ZIPC_WAITING_SPIN = 1,     /* looks without end */
  ZIPC_WAITING_SLEEP = 2,    /* sleeps at once, until it is woken */
  ZIPC_WAITING_POLL = 3      /* looks now and then, and sleeps in between */
} zipc_waiting;

/* The process at the other end of a channel, as far as it is known. */
typedef enum {
  ZIPC_PEER_NONE = 0,    /* nobody has been there yet */
  ZIPC_PEER_PRESENT = 1, /* it is there */
  ZIPC_PEER_LEFT = 2,    /* it gave its role back */
  ZIPC_PEER_DIED = 3     /* it ended, or lost its role, without giving it back */
} zipc_peer_state;
typedef struct {
  zipc_peer_state state;
  int32_t pid;       /* of it, or of the last that was there, as the broker sees it, or it itself; 0: unknown */
  int32_t signal;    /* DIED: the signal that killed it; 0: none, or unknown */
  int32_t exit_code; /* DIED: the exit code that it ended with; -1: none, or unknown */
} ZipcPeer;

/* ---- Creating and destroying ------------------------------------------------------------------------------------ */

/* Takes a role of the channel `name`, which is created if it does not exist, and must have these sizes if it does.
 * On failure the result's `queue` is NULL: INVALID_ARGUMENT to INVALID_PARAMS, ROLE_TAKEN to UNSUPPORTED, but LEASE_NOT_FOUND. Blocks while the
 * broker answers, or for two
 * seconds at most while another process sets the same channel up. What a former sender has queued is still delivered. All of
 * the channel is mapped page by page (on Linux), so that no message waits for that. Cost: about 100 microseconds, and 0.5 for
 * each page of 4 KiB, or 2.5 for who is the first to have it. */
ZIPC_API ZipcContext zipc_create_sender(const char *name, uint32_t queue_size, uint32_t message_size);
ZIPC_API ZipcContext zipc_create_receiver(const char *name, uint32_t queue_size, uint32_t message_size);

/* The same for a channel that exists, with the sizes that it has: see params in the result. */
ZIPC_API ZipcContext zipc_open_sender(const char *name);
ZIPC_API ZipcContext zipc_open_receiver(const char *name);

/* Takes a role of a queue in memory that the caller owns: zipc_shared_memory_size() bytes, aligned to 8, that stays mapped
 * until after the last use. `name` (may be NULL) and `id` (0: one is made) are only noted in the context. Memory without an
 * init flag is set up anew. No broker, no lease: that there is one sender and one receiver is the caller's business, and so is
 * that they end: zipc_destroy leaves the memory as it is, and the peer is not told. On failure the result's `queue` is NULL:
 * INVALID_ARGUMENT (memory is NULL or not aligned), INVALID_PARAMS, PARAMS_MISMATCH. */
ZIPC_API ZipcContext zipc_init_sender(const char *name, void *memory, uint32_t queue_size, uint32_t message_size,
                                      uint64_t id);
ZIPC_API ZipcContext zipc_init_receiver(const char *name, void *memory, uint32_t queue_size, uint32_t message_size,
                                        uint64_t id);

/* Gives the context back: unmaps, and clears its three pointers, so that calling it twice is harmless. The role is free
 * when its last context of this process is destroyed. The channel and its messages stay. NULL is harmless. */
ZIPC_API void zipc_destroy(ZipcContext *context);

/* Removes the channel's name; who has it open keeps it. With a broker it is the broker that removes it. A channel that does
 * not exist is no error. Otherwise zipc_last_error() has INVALID_NAME, PERMISSION_DENIED, CHANNEL_PROVISIONED, SYSTEM. */
ZIPC_API void zipc_unlink(const char *name);

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

/* Sends a copy of the message. false: nothing was sent; FULL, PEER_GONE, FENCED, MESSAGE_TOO_LARGE, CLOSED, CORRUPT,
 * INVALID_ARGUMENT. Wait-free; a system call only if the receiver sleeps. message_size may be 0, and message NULL then.
 * Beside a queue of 16 slots and more that stays full, a call pauses for some microseconds before it looks again: each look
 * delays the receiver. So do receiving calls, for less, in the middle of a stream. */
ZIPC_API bool zipc_send(ZipcContext *sender, const uint8_t *message, size_t message_size);

/* The same, but waits up to timeout_millis (0 to 65535) for space: then TIMEOUT instead of FULL. */
ZIPC_API bool zipc_send_blocking(ZipcContext *sender, const uint8_t *message, size_t message_size,
                                 uint16_t timeout_millis);

/* The next free slot, params.message_size bytes, to write a message in place; NULL: FULL, PEER_GONE, FENCED, CLOSED,
 * CORRUPT. Nothing is sent until zipc_publish; loaning again, or sending, uses the same slot. */
ZIPC_API uint8_t *zipc_loan(ZipcContext *sender);

/* The same, but waits up to timeout_millis (0 to 65535) for a free slot: then TIMEOUT instead of FULL. */
ZIPC_API uint8_t *zipc_loan_blocking(ZipcContext *sender, uint16_t timeout_millis);

/* Sends the first message_size bytes of the slot that zipc_loan gave, or would give: without a loan, whatever it holds. Errors as
 * for zipc_send. */
ZIPC_API bool zipc_publish(ZipcContext *sender, size_t message_size);

/* Batches: several slots are written and sent at once, which costs little more than one. zipc_loan_batch points *slots at the
 * next free slots, params.message_size bytes each, one behind the other, and returns how many there are: 1 to `most`, which
 * is fewer than are free where the queue wraps around. 0: as zipc_loan; INVALID_ARGUMENT if `most` is 0. zipc_publish_batch sends the first sizes[i] bytes of
 * slot i, for i < count, which is 1 or more and no more than were loaned; returns how many it has sent: count, or 0 and an error
 * as for zipc_send. Only if the channel moves at this moment can it be fewer; the rest must be written again. */
ZIPC_API uint32_t zipc_loan_batch(ZipcContext *sender, uint8_t **slots, uint32_t most);
ZIPC_API uint32_t zipc_publish_batch(ZipcContext *sender, const uint32_t *sizes, uint32_t count);

/* ---- Receiving -------------------------------------------------------------------------------------------------- */

/* Takes the oldest message out of the queue and points *message at it. It stays good until this receiver's next receive or
 * pop. Returns its length in bytes, or 0; then *message is non-NULL for a message of length 0, and NULL when there is none
 * (EMPTY, PEER_GONE, FENCED, CLOSED, CORRUPT). Wait-free; a system call only if the sender sleeps. Each look takes the sender's
 * cache line away: so a call whose predecessor has found nothing first pauses, for one pause instruction (15 to 60 ns), and for up
 * to four where messages have come after 6 to 24 looks in vain. */
ZIPC_API uint32_t zipc_receive(ZipcContext *receiver, uint8_t **message);

/* The same, but waits up to timeout_millis (0 to 65535, by the monotonic clock) for a message: then TIMEOUT. */
ZIPC_API uint32_t zipc_receive_blocking(ZipcContext *receiver, uint8_t **message, uint16_t timeout_millis);

/* Points *message at the oldest message and leaves it in the queue: until zipc_pop it stays good, peeking again gives it
 * again, and so it does to a successor if this process dies. Returns as zipc_receive does. */
ZIPC_API uint32_t zipc_peek(ZipcContext *receiver, uint8_t **message);

/* The same, but waits up to timeout_millis (0 to 65535) for a message: then TIMEOUT instead of EMPTY. */
ZIPC_API uint32_t zipc_peek_blocking(ZipcContext *receiver, uint8_t **message, uint16_t timeout_millis);

/* Takes the oldest message out of the queue, when it has been dealt with. false: EMPTY, PEER_GONE, FENCED, CLOSED, CORRUPT. */
ZIPC_API bool zipc_pop(ZipcContext *receiver);

/* Batches: points *messages at the oldest messages, one every params.message_size bytes, writes their lengths to `sizes`,
 * which has room for `most`, and returns how many there are: 1 to `most`, not always all that wait. They stay good and in the
 * queue until zipc_pop_batch takes the `count` oldest out, all at once; 0 of them is no error. 0, and false: as zipc_peek and
 * zipc_pop; INVALID_ARGUMENT if `most` is 0; EMPTY: fewer than `count` wait. */
ZIPC_API uint32_t zipc_peek_batch(ZipcContext *receiver, uint8_t **messages, uint32_t *sizes, uint32_t most);
ZIPC_API bool zipc_pop_batch(ZipcContext *receiver, uint32_t count);

/* ---- Waiting ---------------------------------------------------------------------------------------------------- */

/* How the blocking calls of this context, of either role, wait from now on: see WAITING. Other contexts of the role keep their
 * way, and so does a copy of this one. Not while a call is waiting. false: CLOSED, INVALID_ARGUMENT. */
ZIPC_API bool zipc_set_waiting(ZipcContext *context, zipc_waiting waiting);
/* How they do. ADAPTIVE for NULL. */
ZIPC_API zipc_waiting zipc_get_waiting(const ZipcContext *context);

/* "adaptive", "spin", "sleep", "poll"; the names of the broker's configuration. Static strings. */
ZIPC_API const char *zipc_waiting_name(zipc_waiting waiting);

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

/* The last failure of this thread; never NULL; good until this thread's next call that fails. */
ZIPC_API const ZipcError *zipc_last_error(void);

/* "role_taken", and what to do about it. Static strings. */
ZIPC_API const char *zipc_error_name(zipc_error code);
ZIPC_API const char *zipc_error_advice(zipc_error code);

/* Copies the counters. false: CLOSED, INVALID_ARGUMENT. From any thread, but not by a context that another thread is using: by a
 * copy of it. */
ZIPC_API bool zipc_stats(const ZipcContext *context, ZipcStats *stats);

/* Says who is at the other end, or was last, and how it ended. false: CLOSED, INVALID_ARGUMENT. Threads: as
 * zipc_stats. */
ZIPC_API bool zipc_peer(const ZipcContext *context, ZipcPeer *peer);

/* Extends the lease of the context's role, on a channel whose leases have a time to live (lease_ttl in the broker's
 * configuration): it lasts for all of that time from now. On other channels it does nothing. A system call and the broker's
 * answer. false: FENCED (too late), CLOSED, NO_BROKER. */
ZIPC_API bool zipc_renew(ZipcContext *context);

/* ---- Waiting in an event loop ------------------------------------------------------------------------------------ */

/* A descriptor for select, poll, epoll, libuv, Asio and the like. It polls readable, also a sender's, while there may be
 * something to do: from any call through this context that has found nothing on (EMPTY, FULL, TIMEOUT) it is unreadable until
 * there is a message (receiver) or space (sender), or the call would fail with PEER_GONE or FENCED, or has to follow the
 * channel to other memory. So: when it is readable, call until EMPTY (FULL), or once; wait again. It may be readable for no
 * reason, and is so at first.
 *
 * It is the library's, the same for each further call, and stays good until the last context of the role is destroyed: take
 * it out of the loop before that. Poll it, and do nothing else with it. Contexts that were copied from this one earlier do not
 * take care of it. A child after fork() must not use its parent's, and gets its own, if the parent has ended. The calls that
 * wait (zipc_receive_blocking and so on) may be used as well.
 *
 * While nobody waits by it the other side pays nothing for it. Waiting costs this side about five system calls, and the other
 * side one, however many messages or free slots come before this side reacts; the first time the other side asks the broker
 * (for 100 ms at most). While there is no broker, and beside a program that takes no lease, the descriptor becomes readable
 * 100 times a second instead; a sender's that is full, 10 times in any case, as a receiver's whose sender is not there yet.
 * Four descriptors for each role, and one for each process.
 *
 * -1: UNSUPPORTED (the role was taken without a broker, or on macOS), CLOSED, FENCED, ROLE_TAKEN (in a child: by its parent),
 * LIMIT_REACHED (the broker has no descriptor left), NO_BROKER, SYSTEM. Blocks until the broker has answered. */
ZIPC_API int zipc_fd(ZipcContext *context);

/* ---- Sizes, dumps, version ---------------------------------------------------------------------------------------- */

/* Bytes that the memory for zipc_init_sender must have for these sizes; a channel's file takes four more. 0: out of range. */
ZIPC_API size_t zipc_shared_memory_size(uint32_t queue_size, uint32_t message_size);

/* The path of the channel's file, e.g. "/dev/shm/camera"; good until this thread's next call of it. NULL: INVALID_NAME, or
 * UNSUPPORTED where shared memory has no path (macOS). The file need not exist. */
ZIPC_API char *zipc_shm_path(const char *name);

/* Hexadecimal text of all of the channel's memory, or of its header only, 16 bytes a line ("00000040  01 02 ..  |..|\n"), like
 * snprintf: writes at most `size` bytes with the final NUL, returns the length that it would have had without it.
 * `text` may be NULL when `size` is 0. Returns 0: CLOSED, INVALID_ARGUMENT. */
ZIPC_API size_t zipc_dump_hex(const ZipcContext *context, char *text, size_t size);
ZIPC_API size_t zipc_dump_queue_hex(const ZipcContext *context, char *text, size_t size);

/* "1.0.0": of the library that runs. */
ZIPC_API const char *zipc_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ZIPC_H */
