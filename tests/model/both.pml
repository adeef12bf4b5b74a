/* A sender and a receiver over a queue of two slots: each publishes for the other, and each sleeps, on full or on empty. Indices
 * wrap as they do in the ring, so that a word on which somebody sleeps may have an earlier value again.
 *
 * SENDER, RECEIVER   1: its process is registered for membarrier, and announces that it calls it; 0: neither
 *
 *   ok    fences                 SENDER=0 RECEIVER=0 NO_KERNEL_BARRIERS
 *   ok    membarriers            SENDER=1 RECEIVER=1
 *   ok    only-the-sender        SENDER=1 RECEIVER=0 NO_KERNEL_BARRIERS
 *   ok    only-the-receiver      SENDER=0 RECEIVER=1 NO_KERNEL_BARRIERS
 *   sleep not-asked-of-the-peer  SENDER=1 RECEIVER=0 OWN_IS_ENOUGH
 *   sleep nobody-fences          SENDER=0 RECEIVER=0 NO_P2
 *   sleep sender-is-not-woken    SENDER=1 RECEIVER=1 NO_WAKE_ON_POP
 */
#define HEAD 0
#define TAIL 1
#define SENDER_WAITING 2
#define RECEIVER_WAITING 3
#define WORDS 4
#define S 0
#define R 1
#define THREADS 2
#include "memory.pml"

#define MESSAGES 5

inline publish(t, index, value, other, peer_waiting) {
  store(t, index, value);                                /* P1 */
  if                                                     /* P2 */
#ifdef NO_P2
  :: true
#else
#ifdef OWN_IS_ENOUGH
  :: (t == S -> SENDER : RECEIVER)
#else
  :: SENDER && RECEIVER
#endif
  :: else -> fence(t)
#endif
  fi;
  if                                                     /* P3 */
  :: word[peer_waiting] != 0 ->
#ifdef NO_WAKE_ON_POP
     if
     :: t == S -> wake(t, index, peer_waiting, other)
     :: else
     fi
#else
     wake(t, index, peer_waiting, other)
#endif
  :: else
  fi
}

/* Until the peer's index is not `blocked` any more. */
inline wait_until_not(t, index, blocked, waiting, other, calls_membarrier, other_is_registered) {
  announced = 0;
  do
  :: word[index] != blocked -> break
  :: else ->
     seen = word[index];
     store(t, waiting, 1);                               /* S1 */
     announced = 1;
     if                                                  /* S2 */
     :: calls_membarrier -> membarrier(t, other, other_is_registered)
     :: else -> fence(t)
     fi;
     if                                                  /* S3 */
     :: word[index] != blocked -> break
     :: else
     fi;
     kernel_barrier(t);                                  /* S4 */
     atomic {
       woken[t] = 0;
       if
       :: word[index] != seen -> woken[t] = 1
       :: else -> queued[index] = 1
       fi
     };
     woken[t]
  od;
  if
  :: announced -> store(t, waiting, 0)
  :: else
  fi;
  seen = 0
}

proctype sender() {
  byte tail = 0, sent = 0, seen;
  bit announced;
  do
  :: sent < MESSAGES ->
     wait_until_not(S, HEAD, 1 - tail, SENDER_WAITING, R, SENDER, RECEIVER);
     tail = 1 - tail;
     sent++;
     publish(S, TAIL, tail, R, RECEIVER_WAITING)
  :: else -> break
  od
}

proctype receiver() {
  byte head = 0, received = 0, seen;
  bit announced;
  do
  :: received < MESSAGES ->
     wait_until_not(R, TAIL, head, RECEIVER_WAITING, S, RECEIVER, SENDER);
     head = 1 - head;
     received++;
     publish(R, HEAD, head, S, SENDER_WAITING)
  :: else -> break
  od
}

init {
  atomic { run drain(S); run drain(R); run sender(); run receiver() }
}
