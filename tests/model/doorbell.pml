/* One side publishes, the other polls a descriptor: P1 to P3 and S0 to S4' of common/waiting.h, with what client/operations.cpp
 * and client/readiness_epoll.cpp do around them. Does the program poll for ever while there is a message? Then the end state is
 * invalid, and spin says so: the publisher may stop after any message, so that no later one makes up for a ring that was lost.
 *
 * SLEEPER       what the side that polls does at S2, and announces: FENCE or MEMBARRIER
 * REGISTERED    1: the publisher's process is registered with the kernel, so that it may do without a fence at P2
 * INVARIANT     that of client/readiness.h is asserted whenever the program goes to poll
 * LOOKS_TWICE   P fences and looks at the waiting word once more before it rings, as Ring::wake_and_look() does
 * SLEEPS        the program sometimes sleeps in the library instead, on the index, and with the same waiting word
 * REPLACED      the role's doorbell becomes another one: BY_RESTART of the broker, or BY_BROKER, which tells by kDoorbellVoid
 * TAKES_AWAY    when S takes the count away, if not at S0: AFTER_ANNOUNCING, AFTER_FENCE, AFTER_LOOK
 * QUIET         where S takes its announcement back without ringing by itself: AT_LOOK (S3), AT_MESSAGE, AT_SLEEP
 * TAKES_BACK    when P takes the announcement back that it rings for: BEFORE_RING, as it is; AFTER_RING, NEVER
 * RING_FAILS    P may find nobody who rings; then it publishes something more. NOT_RESTORED: what it has taken back stays so
 *
 *   ok    fence                          SLEEPER=FENCE REGISTERED=1 INVARIANT NO_KERNEL_BARRIERS
 *   ok    membarrier                     SLEEPER=MEMBARRIER REGISTERED=1 INVARIANT NO_KERNEL_BARRIERS
 *   ok    membarrier-unregistered        SLEEPER=MEMBARRIER REGISTERED=0 INVARIANT NO_KERNEL_BARRIERS
 *   ok    membarrier-looks-twice         SLEEPER=MEMBARRIER REGISTERED=1 INVARIANT NO_KERNEL_BARRIERS LOOKS_TWICE
 *   sleep no-ring                        SLEEPER=FENCE REGISTERED=0 NO_RING
 *   sleep no-fence-at-publisher          SLEEPER=FENCE REGISTERED=0 NO_P2
 *   sleep no-fence-at-sleeper            SLEEPER=FENCE REGISTERED=0 NO_S2
 *   sleep membarrier-without-register    SLEEPER=MEMBARRIER REGISTERED=0 NO_P2
 *   sleep fence-at-sleeper-alone         SLEEPER=MEMBARRIER REGISTERED=1 S2_IS_FENCE
 *   sleep no-second-look                 SLEEPER=FENCE REGISTERED=0 NO_S3
 *   sleep quiet-at-look                  SLEEPER=FENCE REGISTERED=0 QUIET=AT_LOOK
 *   sleep quiet-at-message               SLEEPER=FENCE REGISTERED=0 QUIET=AT_MESSAGE
 *   claim quiet-breaks-invariant         SLEEPER=FENCE REGISTERED=0 QUIET=AT_LOOK INVARIANT
 *
 *   sleep count-after-announcing         SLEEPER=MEMBARRIER REGISTERED=1 TAKES_AWAY=AFTER_ANNOUNCING
 *   sleep count-after-fence              SLEEPER=MEMBARRIER REGISTERED=1 TAKES_AWAY=AFTER_FENCE
 *   sleep count-after-look               SLEEPER=FENCE REGISTERED=0 TAKES_AWAY=AFTER_LOOK
 *   ok    taken-back-never               SLEEPER=MEMBARRIER REGISTERED=1 INVARIANT TAKES_BACK=NEVER NO_KERNEL_BARRIERS LOOKS_TWICE
 *   sleep taken-back-after-ring          SLEEPER=FENCE REGISTERED=0 TAKES_BACK=AFTER_RING
 *   ok    ring-fails                     SLEEPER=MEMBARRIER REGISTERED=1 RING_FAILS LOOKS_TWICE NO_KERNEL_BARRIERS
 *   sleep ring-fails-not-restored        SLEEPER=MEMBARRIER REGISTERED=1 RING_FAILS NOT_RESTORED LOOKS_TWICE
 *
 *   ok    sleeps-fence                   SLEEPER=FENCE REGISTERED=0 INVARIANT SLEEPS NO_KERNEL_BARRIERS
 *   ok    sleeps-membarrier              SLEEPER=MEMBARRIER REGISTERED=1 INVARIANT SLEEPS LOOKS_TWICE NO_KERNEL_BARRIERS
 *   sleep quiet-at-sleep                 SLEEPER=FENCE REGISTERED=0 SLEEPS QUIET=AT_SLEEP
 *
 *   ok    restart-fence                  SLEEPER=FENCE REGISTERED=0 INVARIANT REPLACED=BY_RESTART NO_KERNEL_BARRIERS
 *   ok    restart-membarrier             SLEEPER=MEMBARRIER REGISTERED=1 INVARIANT REPLACED=BY_RESTART NO_KERNEL_BARRIERS
 *   ok    void-fence                     SLEEPER=FENCE REGISTERED=0 INVARIANT REPLACED=BY_BROKER NO_KERNEL_BARRIERS
 *   ok    void-membarrier                SLEEPER=MEMBARRIER REGISTERED=1 INVARIANT REPLACED=BY_BROKER NO_KERNEL_BARRIERS
 *   sleep number-not-compared            SLEEPER=FENCE REGISTERED=0 REPLACED=BY_RESTART NUMBER_NOT_COMPARED
 *   sleep replaced-after-announcing      SLEEPER=FENCE REGISTERED=0 REPLACED=BY_RESTART REPLACED_AFTER_ANNOUNCING
 *   sleep end-of-broker-not-polled       SLEEPER=FENCE REGISTERED=0 REPLACED=BY_RESTART END_NOT_POLLED
 *   sleep void-not-told                  SLEEPER=FENCE REGISTERED=0 REPLACED=BY_BROKER VOID_NOT_TOLD
 *
 * count-after-*: S takes the count away before S1. Behind it there may be the one ring for this announcement in it.
 * taken-back-*: a ring stays, unlike a wake-up. So P takes the announcement back that it rings for, and rings once for however
 * many messages; but once it has rung, what it finds there is that of S's next wait. S rings by itself only if it finds its
 * announcement still there.
 * Assumed: a broker that listens hears who asks it for a doorbell. (A publisher that can neither have a connection nor use the
 * one by which it took its role does not ring before its next message.)
 */
#define FENCE 1
#define MEMBARRIER 3

#define BY_RESTART 1
#define BY_BROKER 2
#ifndef REPLACED
#define REPLACED 0
#endif

#define AFTER_ANNOUNCING 1
#define AFTER_FENCE 2
#define AFTER_LOOK 3
#ifndef TAKES_AWAY
#define TAKES_AWAY 0
#endif

#define AT_LOOK 1
#define AT_MESSAGE 2
#define AT_SLEEP 3
#ifndef QUIET
#define QUIET 0
#endif

#define BEFORE_RING 1
#define AFTER_RING 2
#define NEVER 3
#ifndef TAKES_BACK
#define TAKES_BACK BEFORE_RING
#endif

#define INDEX 0
#define WAITING 1      /* 0, the number of a doorbell, or: */
#define ASLEEP 9
#define NOTICE_WORD 3  /* never changes */
#define WORDS 4
#define P 0
#define S 1
#define THREADS 2
#include "memory.pml"

#ifdef THOROUGH
#define MESSAGES 5
#define REPLACEMENTS 2
#else
#define MESSAGES 3
#define REPLACEMENTS 1
#endif

/* A doorbell's count, as far as it matters what it is. Doorbells are numbered, and with them the brokers that give them. */
#define RUNG 1
#define VOID 2
byte bell[2 + REPLACEMENTS];

byte present = 1;   /* the doorbell that the broker says the role has */
bit listens = 1;    /* the broker does */
byte ended = 0;     /* the connections to this one, and those before, have */

byte published = 0;
byte concluded = 0; /* P3 of so many is over */
bit stops = 0;
bit is_ringing = 0; /* P has taken an announcement back, and not rung yet */
bit has_failed = 0; /* nobody was found who rings, and nothing was published since */

#define add(t, b, count) kernel_barrier(t); bell[b] = bell[b] | count

/* Readiness::ring_peer(). The broker rings the present one, whichever it was asked for. */
inline ring(number) {
#if REPLACED
  if
#ifdef NUMBER_NOT_COMPARED
  :: has != 0 -> add(P, has, RUNG)
  :: has == 0 ->
#else
  :: asked == number && has != 0 -> add(P, has, RUNG)
  :: asked != number || has == 0 ->
#endif
     kernel_barrier(P);
     atomic {
       if
       :: asked = number; has = (listens -> present : 0)
       :: asked == number         /* not again so soon: only to ring */
       fi;
       bell[present] = bell[present] | (listens -> RUNG : 0)
     }
  fi
#else
  add(P, number, RUNG)
#endif
}

proctype publisher() {
  byte waiting, asked = 0, has = 0;
  do
  :: published < MESSAGES ->
     published++;
     has_failed = 0;
     store(P, INDEX, published);  /* P1 */
     if                           /* P2 */
#ifdef NO_P2
     :: true
#else
     :: REGISTERED && SLEEPER == MEMBARRIER
     :: else -> fence(P)
#endif
     fi;
     waiting = word[WAITING];     /* P3 */
#ifdef LOOKS_TWICE
     if
     :: waiting != 0 ->
        fence(P);
        waiting = word[WAITING]
     :: else
     fi;
#endif
#if TAKES_BACK == BEFORE_RING
     if
     :: waiting != 0 && waiting != ASLEEP ->
        fence(P);
        atomic {
          if
          :: word[WAITING] == waiting -> word[WAITING] = 0; is_ringing = 1
          :: else -> waiting = 0
          fi
        }
     :: else
     fi;
#endif
     if
     :: waiting == 0
     :: waiting == ASLEEP -> wake(P, INDEX, NOTICE_WORD, S)
#ifdef RING_FAILS
     :: waiting != 0 && waiting != ASLEEP && published < MESSAGES ->
        fence(P);
        atomic {
#ifndef NOT_RESTORED
          if
          :: word[WAITING] == 0 -> word[WAITING] = waiting
          :: else
          fi;
#endif
          is_ringing = 0;
          has_failed = 1
        }
#endif
     :: waiting != 0 && waiting != ASLEEP ->
#ifndef NO_RING
        ring(waiting);
#endif
        is_ringing = 0;
#if TAKES_BACK == AFTER_RING
        fence(P);
        word[WAITING] = 0;
#endif
        skip
     fi;
     atomic { concluded = published; waiting = 0 }
  :: !has_failed -> break
  od;
  stops = 1
}

#define has_ended (link != 0 && link <= ended)

/* S0, Own::drain(): takes away what epoll_wait() has told of. What comes in between goes with it, or stays. */
inline take_count_away() {
#if REPLACED
  if
  :: has_ended -> link = 0
  :: else
  fi;
#endif
  if
  :: bell[polled] != 0 ->
     kernel_barrier(S);
     atomic { is_void = is_void || (bell[polled] & VOID); bell[polled] = 0 }
  :: else
  fi
}

/* Readiness::take_doorbell(), where there is a reason. Without success a timer makes the descriptor readable. */
inline look_for_broker() {
#if REPLACED
  if
  :: is_void || link == 0 ->
     if
     :: atomic { listens -> polled = present; link = present; is_void = 0 }
     :: true
     fi
  :: else
  fi
#else
  skip
#endif
}

#define is_announced (word[WAITING] != 0)

/* Readiness::disarm(). */
inline disarm(where) {
  if
  :: is_armed && is_announced ->
     store(S, WAITING, 0);
     if
     :: where != QUIET -> add(S, polled, RUNG)
     :: else
     fi
  :: else
  fi;
  is_armed = 0
}

inline heavy_fence() {
  if
#ifdef NO_S2
  :: true
#else
#ifdef S2_IS_FENCE
  :: true -> fence(S)
#else
  :: SLEEPER == MEMBARRIER -> membarrier(S, P, REGISTERED)
  :: SLEEPER == FENCE -> fence(S)
#endif
#endif
  fi
}

#ifdef END_NOT_POLLED
#define is_readable (bell[polled] != 0 || link == 0 || is_void)
#else
#define is_readable (bell[polled] != 0 || link == 0 || is_void || has_ended)
#endif
#define has_message (word[INDEX] != taken)
#define is_over (stops && taken == published)

/* Calls for a message again and again, and polls between two calls, or does not. */
proctype sleeper() {
  byte taken = 0, seen, polled = 1, link = 1;
  bit is_armed = 0, is_void = 0;
call:
  if
  :: has_message -> goto message
  :: else
  fi;
#ifdef SLEEPS
  if
  :: true
  :: true ->
     disarm(AT_SLEEP);
     do
     :: has_message -> break
     :: else ->
        seen = word[INDEX];
        store(S, WAITING, ASLEEP);
        heavy_fence();
        if
        :: has_message -> break
        :: else
        fi;
        sleep_on(S, INDEX, seen, NOTICE_WORD, 0);
        if
        :: woken[S] -> woken[S] = 0
        :: is_over -> goto done
        fi
     od;
     seen = 0;
     store(S, WAITING, 0);
     goto message
  fi;
#endif
#if TAKES_AWAY == 0
  take_count_away();         /* S0 */
#endif
#ifndef REPLACED_AFTER_ANNOUNCING
  look_for_broker();
#endif
  if
  :: is_void                 /* nobody could ring it */
  :: else ->
     store(S, WAITING, polled);  /* S1 */
     is_armed = 1;
#ifdef REPLACED_AFTER_ANNOUNCING
     look_for_broker();
#endif
#if TAKES_AWAY == AFTER_ANNOUNCING
     take_count_away();
#endif
     heavy_fence();          /* S2 */
#if TAKES_AWAY == AFTER_FENCE
     take_count_away()
#endif
  fi;
#ifndef NO_S3
  if                         /* S3 */
  :: has_message ->
     disarm(AT_LOOK);
     goto message
  :: else
  fi;
#endif
#if TAKES_AWAY == AFTER_LOOK
  take_count_away();
#endif
  goto answered;

message:
  disarm(AT_MESSAGE);
  taken++;

answered:
  if
  :: goto call
  :: true                    /* S4' */
  fi;
#ifdef INVARIANT
  /* Where nothing is to be found, no P3 is over. While the broker is ending nobody can ring, but has_ended is about to come. */
  assert(is_readable || is_ringing || (word[WAITING] == polled && concluded <= taken) || (!listens && ended < present));
#endif
  if
  :: is_readable -> goto call
  :: is_over
  fi;
done:
  skip
}

#if REPLACED
proctype broker() {
  do
  :: present <= REPLACEMENTS ->
#if REPLACED == BY_RESTART
     listens = 0;
     ended = present;
     present++;
     listens = 1
#else
     atomic {                /* Doorbells::drop(); the next get() makes another one */
#ifndef VOID_NOT_TOLD
       bell[present] = bell[present] | VOID;
#endif
       present++
     }
#endif
  :: else -> break
  od
}
#endif

init {
  bell[1] = RUNG;            /* Readiness::descriptor() */
  atomic {
    run drain(P);
    run drain(S);
    run publisher();
    run sleeper();
#if REPLACED
    run broker();
#endif
    skip
  }
}
