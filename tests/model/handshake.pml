/* One side publishes, the other sleeps: P1 to P3 and S1 to S4 of common/waiting.h, with the notice word as second word to sleep
 * on, and a sleeper that leaves or is killed and has a successor. Does anybody sleep for ever while there is a message?
 * Then the end state is invalid, and spin says so.
 *
 * FIRST, NEXT   what the sleeper announces, and its successor: FENCE, MEMBARRIER, or EXISTING, a peer that announces nothing
 * REGISTERED    1: the publisher's process is registered with the kernel, so that it may do without a fence at P2
 *
 * Variants, run by tests/model/run: what spin has to find, the name, the macros. Those that must fail show that the model can.
 *
 *   ok    fence                          FIRST=FENCE REGISTERED=0 NO_KERNEL_BARRIERS
 *   ok    fence-registered               FIRST=FENCE REGISTERED=1 NO_KERNEL_BARRIERS
 *   ok    membarrier                     FIRST=MEMBARRIER REGISTERED=1
 *   ok    membarrier-unregistered        FIRST=MEMBARRIER REGISTERED=0 NO_KERNEL_BARRIERS
 *   ok    membarrier-fence-before-wake   FIRST=MEMBARRIER REGISTERED=1 NO_KERNEL_BARRIERS FENCE_BEFORE_WAKE
 *   sleep no-wake                        FIRST=FENCE REGISTERED=0 NO_WAKE
 *   sleep no-fence-at-publisher          FIRST=FENCE REGISTERED=0 NO_P2
 *   sleep no-fence-at-sleeper            FIRST=FENCE REGISTERED=0 NO_S2 NO_KERNEL_BARRIERS
 *   ok    kernel-fences-for-sleeper      FIRST=FENCE REGISTERED=0 NO_S2
 *   sleep membarrier-without-register    FIRST=MEMBARRIER REGISTERED=0 NO_P2
 *   sleep fence-at-sleeper-alone         FIRST=MEMBARRIER REGISTERED=1 S2_IS_FENCE
 *   sleep wake-without-barrier           FIRST=MEMBARRIER REGISTERED=1 NO_KERNEL_BARRIERS
 *   sleep wake-once-for-each-announcement FIRST=FENCE REGISTERED=0 WAKE_ONCE
 *
 *   ok    all-clear                      FIRST=MEMBARRIER REGISTERED=1 ALL_CLEAR
 *   ok    all-clear-said-by-one-who-dies FIRST=MEMBARRIER REGISTERED=1 ALL_CLEAR PUBLISHER_DIES
 *   ok    all-clear-of-one-who-dies-then-existing FIRST=MEMBARRIER NEXT=EXISTING REGISTERED=1 ALL_CLEAR PUBLISHER_DIES SETTLES
 *   sleep all-clear-said-before-it-is-so FIRST=MEMBARRIER REGISTERED=1 ALL_CLEAR PUBLISHER_DIES ABOUT_TO_IS_SAID
 *   sleep all-clear-said-at-once         FIRST=MEMBARRIER REGISTERED=1 ALL_CLEAR NO_SECOND_CHECK
 *   sleep all-clear-ended-too-early      FIRST=MEMBARRIER REGISTERED=1 ALL_CLEAR END_FIRST
 *   sleep all-clear-not-ended            FIRST=MEMBARRIER REGISTERED=1 ALL_CLEAR NO_END
 *   ok    all-clear-then-fence           FIRST=MEMBARRIER NEXT=FENCE REGISTERED=1 ALL_CLEAR SETTLES
 *   sleep all-clear-then-fence-at-once   FIRST=MEMBARRIER NEXT=FENCE REGISTERED=1 ALL_CLEAR
 *   sleep all-clear-stays                FIRST=MEMBARRIER NEXT=FENCE REGISTERED=1 ALL_CLEAR SETTLES NO_END_BY_NEXT
 *   ok    all-clear-then-membarrier      FIRST=MEMBARRIER NEXT=MEMBARRIER REGISTERED=1 ALL_CLEAR
 *   ok    all-clear-then-existing        FIRST=MEMBARRIER NEXT=EXISTING REGISTERED=1 ALL_CLEAR SETTLES
 *
 *   ok    notice-fence                   FIRST=FENCE REGISTERED=0 NOTICE NO_KERNEL_BARRIERS
 *   ok    notice-membarrier              FIRST=MEMBARRIER REGISTERED=1 NOTICE
 *   sleep notice-not-woken               FIRST=FENCE REGISTERED=0 NOTICE NO_NOTICE_WAKE
 *   sleep notice-not-compared            FIRST=FENCE REGISTERED=0 NOTICE NOTICE_NOT_COMPARED
 *   claim notice-without-second-look     FIRST=FENCE REGISTERED=0 NOTICE NO_SECOND_LOOK
 *
 *   ok    fence-then-fence               FIRST=FENCE NEXT=FENCE REGISTERED=1 NO_KERNEL_BARRIERS
 *   ok    fence-then-membarrier          FIRST=FENCE NEXT=MEMBARRIER REGISTERED=1
 *   ok    fence-then-existing            FIRST=FENCE NEXT=EXISTING REGISTERED=1
 *   ok    membarrier-then-membarrier     FIRST=MEMBARRIER NEXT=MEMBARRIER REGISTERED=1
 *   ok    membarrier-then-either-unregistered FIRST=MEMBARRIER NEXT=FENCE REGISTERED=0 NO_KERNEL_BARRIERS
 *   sleep membarrier-then-fence-at-once  FIRST=MEMBARRIER NEXT=FENCE REGISTERED=1
 *   ok    membarrier-then-fence          FIRST=MEMBARRIER NEXT=FENCE REGISTERED=1 SETTLES
 *   sleep membarrier-then-existing-at-once FIRST=MEMBARRIER NEXT=EXISTING REGISTERED=1
 *   ok    membarrier-then-existing       FIRST=MEMBARRIER NEXT=EXISTING REGISTERED=1 SETTLES
 *   ok    one-after-another              FIRST=MEMBARRIER NEXT=FENCE REGISTERED=1 SETTLES SUCCESSIONS=2
 *   ok    one-after-another-existing     FIRST=MEMBARRIER NEXT=EXISTING REGISTERED=1 SETTLES SUCCESSIONS=2
 *   sleep features-before-index          FIRST=MEMBARRIER NEXT=FENCE REGISTERED=1 SETTLES FEATURES_BEFORE_INDEX
 *   sleep features-before-fence-only     FIRST=FENCE NEXT=EXISTING REGISTERED=1 FEATURES_BEFORE_FENCE
 *
 * membarrier-then-fence-at-once: the publisher has its index in the buffer, still sees what the predecessor announced, and
 * does not fence; the successor's own fence does not reach it. It is so for publications that began before the successor
 * announced itself, and no later ones: SETTLES is the successor's seeing to it that they have ended. It may call membarrier
 * once, after it has announced itself, or limit its first sleep to longer than a store can stay in a buffer.
 * all-clear: the publisher looks at one word, in which it has said itself that there is nothing to look at, and which others zero
 * (kAllClearOffset of layout.hpp). The broker that moves a channel zeroes it as the sleeper does, with the notice for WAITING.
 * wake-without-barrier: a publisher that has not fenced sees an announcement, and wakes before its index has reached memory and
 * before the sleeper is in the queue. Either the wake is a barrier, as Linux has it, or there is a fence before it.
 */
#define FENCE 1       /* kFeatureAnnouncesSleep */
#define MEMBARRIER 3  /* and that it calls membarrier at S2 */
#define EXISTING 0

#define INDEX 0
#define WAITING 1
#define FEATURES 2
#define NOTICE_WORD 3
#ifdef ALL_CLEAR
#define CLEAR 4
#define SAID 1
#define ABOUT_TO 2
bit tripwire = 1;
#define WORDS 6
#else
#define WORDS 4
#endif
#define P 0
#define S 1
#define THREADS 2
#include "memory.pml"

#ifndef SUCCESSIONS
#define SUCCESSIONS 1  /* of more, the successor's successor is as the first */
#endif
#define MESSAGES 4

proctype publisher() {
#ifdef PUBLISHER_DIES
  bit has_died = 0;
#endif
  byte next = 1, features, waiting;
  do
  :: next <= MESSAGES ->
#ifdef FEATURES_BEFORE_INDEX
     features = word[FEATURES];
     store(P, INDEX, next);
#else
     store(P, INDEX, next);  /* P1 */
     features = word[FEATURES];
#endif
#ifdef ALL_CLEAR
     if
     :: word[CLEAR] == SAID ->
        if
        :: tripwire -> goto published
        :: else
        fi
     :: else
     fi;
     fence(P);               /* wake_and_look() */
     features = word[FEATURES];
#endif
     if                      /* P2 */
#ifdef NO_P2
     :: true
#else
     :: REGISTERED && features == MEMBARRIER
     :: else ->
        fence(P);
#ifndef FEATURES_BEFORE_FENCE
        features = word[FEATURES];
#endif
#endif
     fi;
     if                      /* P3 */
     :: features == EXISTING -> waiting = 1
     :: else -> waiting = word[WAITING]
     fi;
     if
     :: waiting != 0 ->
#ifdef WAKE_ONCE
        word[WAITING] = 0;
#endif
#ifdef FENCE_BEFORE_WAKE
        fence(P);
#endif
#ifndef NO_WAKE
        wake(P, INDEX, NOTICE_WORD, S)
#endif
     :: else
#ifdef ALL_CLEAR
        -> if
           :: features == MEMBARRIER && word[FEATURES] == MEMBARRIER && word[WAITING] == 0 ->  /* say_all_clear() */
              fence(P);
#ifdef NO_SECOND_CHECK
              word[CLEAR] = SAID
#else
#ifdef ABOUT_TO_IS_SAID
              word[CLEAR] = SAID;
#else
              word[CLEAR] = ABOUT_TO;
#endif
#ifdef PUBLISHER_DIES
              if                     /* its successor goes on; once is enough */
              :: has_died == 0 -> has_died = 1; goto published
              :: true
              fi;
#endif
              if
              :: word[FEATURES] == MEMBARRIER && word[WAITING] == 0 ->
                 atomic {
                   if
                   :: word[CLEAR] == ABOUT_TO -> word[CLEAR] = SAID
                   :: else
                   fi
                 }
              :: else
#ifdef ABOUT_TO_IS_SAID
                 -> word[CLEAR] = 0
#endif
              fi
#endif
           :: else
           fi
#endif
     fi;
published:
     features = 0;
     waiting = 0;
     next++
  :: else -> break
  od;
#ifdef NOTICE
  fence(P);                  /* fetch_or(release) */
  word[NOTICE_WORD] = 1;
#ifndef NO_NOTICE_WAKE
  wake(P, NOTICE_WORD, INDEX, S)
#endif
#endif
}

#define NOTHING 0
#define MESSAGE 1
#define GONE 2

/* Ring::peek(): a notice is believed only after one more look at the index. */
inline look() {
  found = NOTHING;
  if
  :: word[INDEX] != taken -> found = MESSAGE
  :: else
#ifdef NOTICE
     -> if
        :: word[NOTICE_WORD] != 0 ->
#ifndef NO_SECOND_LOOK
           if
           :: word[INDEX] != taken -> found = MESSAGE
           :: else -> found = GONE
           fi
#else
           found = GONE
#endif
        :: else
        fi
#endif
  fi
}

#define NEVER 0
#define BEFORE_ANNOUNCING 1
#define AFTER_ANNOUNCING 2
#define BEFORE_SLEEPING 3
#define ASLEEP 4
#define LEAVES 5  /* of its own accord, between two waits */

inline may_die(here) {
  if
  :: dies == here -> goto succession
  :: else
  fi
}

proctype sleeper() {
  byte taken = 0, features = FIRST, found, seen, noticed, dies = NEVER, successions = 0;
begin:
#ifdef NEXT
  if
  :: successions == SUCCESSIONS
  :: successions < SUCCESSIONS && dies == NEVER ->
     if
     :: dies = BEFORE_ANNOUNCING
     :: dies = AFTER_ANNOUNCING
     :: dies = BEFORE_SLEEPING
     :: dies = ASLEEP
     :: dies = LEAVES
     fi
  :: else
  fi;
#endif
wait:
  if
  :: dies == LEAVES ->           /* Ring::retract() */
     store(S, FEATURES, 0);
     store(S, WAITING, 0);
     goto succession
  :: else
  fi;
  look();
  if
  :: found == NOTHING ->
announce:
     seen = word[INDEX];
     noticed = word[NOTICE_WORD];
     may_die(BEFORE_ANNOUNCING);
     if
     :: features != EXISTING ->
#ifdef END_FIRST
        store(S, CLEAR, 0);
#endif
        store(S, WAITING, 1);    /* S1 */
        may_die(AFTER_ANNOUNCING);
#if defined(ALL_CLEAR) && !defined(NO_END) && !defined(END_FIRST)
        fence(S);                /* end_all_clear(), which is more: the store of this exchange need not wait */
        store(S, CLEAR, 0);
#endif
        if                       /* S2 */
#ifndef NO_S2
#ifdef S2_IS_FENCE
        :: true -> fence(S)
#else
        :: features == MEMBARRIER -> membarrier(S, P, REGISTERED)
        :: features == FENCE -> fence(S)
#endif
#else
        :: true
#endif
        fi
     :: else
     fi;
     look();                     /* S3 */
     if
     :: found == NOTHING ->
        may_die(BEFORE_SLEEPING);
#ifdef NOTICE_NOT_COMPARED
        sleep_on(S, INDEX, seen, WAITING, word[WAITING]);
        queued[NOTICE_WORD] = !woken[S];
#else
        sleep_on(S, INDEX, seen, NOTICE_WORD, noticed);  /* S4 */
#endif
        may_die(ASLEEP);
        woken[S];
        woken[S] = 0;
        look();
        if
        :: found == NOTHING -> goto announce
        :: else
        fi
     :: else
     fi;
     if
     :: features != EXISTING -> store(S, WAITING, 0)
     :: else
     fi
  :: else
  fi;
  if
  :: found == MESSAGE ->
     taken++;
     found = NOTHING;
     seen = 0;
#ifndef NOTICE
     if
     :: taken == MESSAGES -> goto done
     :: else
     fi;
#endif
     goto wait
  :: found == GONE ->
     assert(taken == MESSAGES);  /* what it sent before it went comes first */
     goto done
  fi;

succession:
  atomic { queued[INDEX] = 0; queued[NOTICE_WORD] = 0; woken[S] = 0; dies = NEVER };
  fence(S);                      /* its role's lock is free when the kernel has ended it */
#ifdef NEXT
  successions++;
  features = (successions % 2 -> NEXT : FIRST);
  found = NOTHING;
  seen = 0;
  if
  :: features == EXISTING ->     /* the tripwire, zeroed by the kernel when the file is cut short, in whatever order */
#ifdef ALL_CLEAR
     if
     :: true -> word[CLEAR] = 0; atomic { tripwire = 0; word[FEATURES] = 0 }
     :: true -> atomic { tripwire = 0; word[FEATURES] = 0 }; word[CLEAR] = 0
     fi
#else
     word[FEATURES] = 0
#endif
  :: else ->                     /* Ring::announce() */
#ifdef ALL_CLEAR
     tripwire = 1;               /* enter_role() */
#endif
     store(S, WAITING, 0);
     store(S, FEATURES, features);
#if defined(ALL_CLEAR) && !defined(NO_END_BY_NEXT)
     fence(S);
     store(S, CLEAR, 0);
#endif
     fence(S)
  fi;
#ifdef SETTLES
  if
  :: features != MEMBARRIER -> fence(P)
  :: else
  fi;
#endif
  goto begin;
#endif
done:
  skip
}

init {
  word[FEATURES] = FIRST;
  atomic { run drain(P); run drain(S); run publisher(); run sleeper() }
}
