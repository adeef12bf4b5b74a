/* A channel gets other memory while both sides use it: [moving] of common/ring.h, daemon/move.cpp, client/operations.cpp. The
 * broker tries to move it several times, sometimes gives up, and once more when it has moved. Every message must be received,
 * once and in order.
 *
 * SENDER_FENCES, RECEIVER_FENCES   1: has a fence between its index and its look at the notice; 0: is registered for membarrier
 * BROKER                           FENCE or MEMBARRIER: what it does between kNoticeMoving and its look at the indices
 *
 *   ok    fences                     SENDER_FENCES=1 RECEIVER_FENCES=1 BROKER=FENCE
 *   ok    membarriers                SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER
 *   more  fences-role-lost           SENDER_FENCES=1 RECEIVER_FENCES=1 BROKER=FENCE ROLE_IS_LOST
 *   ok    membarriers-role-lost      SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER ROLE_IS_LOST
 *   ok    all-clear                  SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER ALL_CLEAR
 *   claim all-clear-not-ended        SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER ALL_CLEAR NO_END
 *   claim all-clear-ended-too-early  SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER ALL_CLEAR END_FIRST
 *   claim all-clear-ended-too-late   SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER ALL_CLEAR END_LAST
 *   claim all-clear-said-at-once     SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER ALL_CLEAR NO_SECOND_CHECK
 *   claim broker-has-no-membarrier   SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=FENCE
 *   claim sender-does-not-fence      SENDER_FENCES=0 RECEIVER_FENCES=1 BROKER=FENCE
 *   claim receiver-does-not-fence    SENDER_FENCES=1 RECEIVER_FENCES=0 BROKER=FENCE ROLE_IS_LOST
 *   claim membarrier-before-notice   SENDER_FENCES=0 RECEIVER_FENCES=0 BROKER=MEMBARRIER BARRIER_FIRST
 *   claim look-before-notice         SENDER_FENCES=1 RECEIVER_FENCES=1 BROKER=FENCE LOOK_FIRST
 *   claim no-look-after-the-act      SENDER_FENCES=1 RECEIVER_FENCES=1 BROKER=FENCE NO_LOOK_AFTER
 *   claim nothing-is-skipped         SENDER_FENCES=1 RECEIVER_FENCES=1 BROKER=FENCE NO_SKIP
 *   claim receiver-looks-once        SENDER_FENCES=1 RECEIVER_FENCES=1 BROKER=FENCE RECEIVER_LOOKS_ONCE
 *   sleep sender-looks-once          SENDER_FENCES=1 RECEIVER_FENCES=1 BROKER=FENCE SENDER_LOOKS_ONCE
 *
 * ALL_CLEAR: after the act the sender looks at one word, in which it has said itself that it is told nothing (kAllClearOffset of
 * layout.hpp); the broker zeroes it with the notice. Without, it looks at the notice itself, as one that goes by the header does.
 * A side that fences does nothing that one which does not may not do: membarriers stands for a fence on one side, too.
 * more: with --thorough only. ROLE_IS_LOST: the receiver's role is taken away with the first move, and a successor goes on.
 * sender-looks-once: the sender has looked at its notice before it is set, and at head after the broker has; the receiver has
 * made room meanwhile. To the broker the queue then holds one message more than it can, which looks as if it were empty. So
 * the sender looks at its notice once more when it has looked at head, as the receiver does with tail. The hot path looks at it
 * neither before nor, while it knows of room or of a message, at the other's index: only after the act.
 */
#define FENCE 0
#define MEMBARRIER 1

#define GENERATIONS 3
#define HEAD 0  /* + generation */
#define TAIL GENERATIONS
#define WORDS 6
#define S 0
#define R 1
#define THREADS 2
#include "memory.pml"

#ifdef THOROUGH
#define MESSAGES 4
#define ATTEMPTS 3  /* to move */
#define slots(g) (g == 1 -> 4 : 3)
#else
#define MESSAGES 3
#define ATTEMPTS 2
#define slots(g) (g == 1 -> 3 : 2)
#endif
#define SLOTS_MAX 4

#define MOVING 1
#define MOVED 2

byte slot[GENERATIONS * SLOTS_MAX];
byte notice[GENERATIONS * 2];  /* generation * 2 + role */
byte final_head[GENERATIONS], final_tail[GENERATIONS];
byte present = 0;              /* the generation that has the channel's name */

#ifdef ALL_CLEAR
#define SAID 1
#define ABOUT_TO 2
byte clear[GENERATIONS];
#endif

#define told(g, role) notice[(g) * 2 + (role)]
#define after(g, index) ((index + 1 == slots(g)) -> 0 : index + 1)
#define distance(g, from, to) ((to) >= (from) -> (to) - (from) : (to) + slots(g) - (from))

#ifdef ROLE_IS_LOST
#define LOSES_ROLE(g) (g == 0)
#else
#define LOSES_ROLE(g) false
#endif

/* Attachments::follow(), as far as the decision: awaits it, and looks again whether it has moved. */
inline await_move(role) {
  told(g, role) != MOVING;
  has_moved = (told(g, role) & MOVED) != 0
}

#ifdef ALL_CLEAR
/* Ring::say_all_clear(); both changes of the word are atomic, and so fences. */
inline say_all_clear() {
  if
  :: told(g, S) == 0 ->
#ifdef NO_SECOND_CHECK
     clear[g] = SAID
#else
     clear[g] = ABOUT_TO;
     if
     :: told(g, S) == 0 ->
        atomic {
          if
          :: clear[g] == ABOUT_TO -> clear[g] = SAID
          :: else
          fi
        }
     :: else
     fi
#endif
  :: else
  fi
}
#endif

proctype sender() {
  byte g = 0, tail = 0, number = 1, next, head = 0;  /* head: cached_head */
  bit has_moved;
  do
  :: number > MESSAGES -> break
  :: else ->
     next = after(g, tail);
     if
     :: head != next                                /* HotPath::known_free_slot(), which looks at nothing */
     :: head == next || told(g, S) != 0 ->          /* Ring::free_slot() */
        if
        :: told(g, S) != 0 ->
           await_move(S);
           goto follow
        :: else
        fi;
        head = word[HEAD + g];
#ifndef SENDER_LOOKS_ONCE
        if
        :: told(g, S) != 0 ->
           await_move(S);
           goto follow
        :: else
        fi
#endif
     fi;
     if
     :: head == next ->                             /* wait_for_space */
        (word[HEAD + g] != next || told(g, S) != 0)
     :: else ->
        atomic { slot[g * SLOTS_MAX + tail] = number; tail = next };
        store(S, TAIL + g, tail);                   /* [message-ready] */
        if
        :: SENDER_FENCES -> fence(S)
        :: else
        fi;
#ifdef ALL_CLEAR
        if                                          /* HotPath::is_all_clear() */
        :: clear[g] == SAID -> number++; goto go_on
        :: else -> fence(S)                         /* wake_and_look() */
        fi;
#endif
#ifdef NO_LOOK_AFTER
        number++
#else
        if                                          /* [moving] */
        :: told(g, S) == 0 ->
           number++;
#ifdef ALL_CLEAR
           say_all_clear();
#endif
           goto go_on
        :: else ->                                  /* kMovedMeanwhile */
           await_move(S);
           if
           :: !has_moved -> number++
           :: has_moved && tail == final_tail[g] -> number++  /* was_last_act_carried_over */
           :: else                                  /* sent again there */
           fi;
           goto follow
        fi
#endif
     fi;
     goto go_on;
follow:
     if
     :: has_moved ->
        fence(S);                                   /* system calls */
        atomic { g = present; tail = word[TAIL + g]; head = after(g, tail) }  /* catch_up() */
     :: else
     fi;
go_on:
     atomic { next = 0; has_moved = 0 }
  od
}

proctype receiver() {
  byte g = 0, head = 0, cached = 0, expected = 1, got, left, end;
  bit has_moved;
  do
  :: expected > MESSAGES -> break
  :: else ->
     if
     :: told(g, R) != 0 ->                          /* Ring::peek() */
        await_move(R);
        if
        :: has_moved && LOSES_ROLE(g) -> goto succession
        :: else
        fi;
        goto follow
     :: true                                        /* HotPath::try_peek(), which does not look before */
     fi;
     if
     :: cached == head ->
        cached = word[TAIL + g];
#ifndef RECEIVER_LOOKS_ONCE
        if
        :: told(g, R) != 0 ->
           await_move(R);
           if
           :: has_moved && LOSES_ROLE(g) -> goto succession
           :: else
           fi;
           goto follow
        :: else
        fi
#endif
     :: else
     fi;
     if
     :: cached == head ->                           /* wait_for_message */
        (word[TAIL + g] != head || told(g, R) != 0);
        goto go_on
     :: else
     fi;
     atomic { got = slot[g * SLOTS_MAX + head]; head = after(g, head) };
     store(R, HEAD + g, head);                      /* [slot-free] */
     if
     :: RECEIVER_FENCES -> fence(R)
     :: else
     fi;
#ifdef NO_LOOK_AFTER
     atomic { assert(got == expected); expected++ };
     goto go_on;
#else
     if                                             /* [moving] */
     :: told(g, R) == 0 ->
        atomic { assert(got == expected); expected++ };
        goto go_on
     :: else ->                                     /* kMovedMeanwhile */
        await_move(R)
     fi;
     if
     :: has_moved && LOSES_ROLE(g) ->               /* what was taken out too late is the successor's */
        if
        :: head == final_head[g] ->
           assert(got == expected);
           expected++
        :: else
        fi;
        goto succession
     /* was_published_too_late(): its sender sends it again */
     :: has_moved && !LOSES_ROLE(g) && after(g, final_tail[g]) == head && final_head[g] != head
     :: else -> atomic { assert(got == expected); expected++ }
     fi;
#endif
follow:
     if
     :: has_moved ->
        fence(R);
        atomic {                                    /* received_meanwhile() */
          left = distance(g, final_head[g], head);
          end = distance(g, final_head[g], final_tail[g]);
          left = (left < end -> left : end)
        };
#ifdef NO_SKIP
        left = 0;
#endif
        g = present;
        end = word[TAIL + g];                       /* Ring::skip() */
        head = word[HEAD + g];                      /* its own */
        do
        :: left != 0 && head != end ->
           head = after(g, head);
           store(R, HEAD + g, head);
           if
           :: RECEIVER_FENCES -> fence(R)
           :: else
           fi;
           left--
        :: else -> break
        od;
        fence(R);                                   /* announce() */
        cached = head
     :: else
     fi;
     goto go_on;
succession:
     fence(R);
     atomic { g = present; head = word[HEAD + g]; cached = head };
go_on:
     atomic { got = 0; left = 0; end = 0; has_moved = 0 }
  od
}

inline look_at_indices() {  /* a copy of the header, in whatever order */
  if
  :: head = word[HEAD + g]; tail = word[TAIL + g]
  :: tail = word[TAIL + g]; head = word[HEAD + g]
  fi
}

inline barrier() {
  if
  :: BROKER == MEMBARRIER ->
     if
     :: fence(S); fence(R)
     :: fence(R); fence(S)
     fi
  :: else
  fi
}

proctype broker() {
  byte g = 0, attempts = 0, head, tail, from, to;
  bit gives_up;
  do
  :: attempts == ATTEMPTS || g + 1 == GENERATIONS -> break
  :: attempts < ATTEMPTS && g + 1 < GENERATIONS ->
     attempts++;
#ifdef BARRIER_FIRST
     barrier();
#endif
#ifdef LOOK_FIRST
     look_at_indices();
#endif
#if defined(ALL_CLEAR) && defined(END_FIRST)
     clear[g] = 0;
#endif
     told(g, S) = MOVING;                           /* Move::freeze() */
#if defined(ALL_CLEAR) && !defined(NO_END) && !defined(END_FIRST) && !defined(END_LAST)
     clear[g] = 0;                                  /* end_all_clear() */
#endif
     told(g, R) = MOVING;
#ifndef BARRIER_FIRST
     barrier();
#endif
#ifndef LOOK_FIRST
     look_at_indices();
#endif
#if defined(ALL_CLEAR) && defined(END_LAST)
     clear[g] = 0;
#endif
     atomic { from = head; to = 0; gives_up = distance(g, head, tail) >= slots(g + 1) };  /* would not fit */
     do
     :: !gives_up && from != tail ->
        atomic {
          slot[(g + 1) * SLOTS_MAX + to] = slot[g * SLOTS_MAX + from];
          from = after(g, from);
          to++
        }
     :: else -> break
     od;
     if
     :: gives_up
     :: !gives_up ->
        atomic {                                    /* nobody looks at these before the commit */
          word[HEAD + g + 1] = 0;
          word[TAIL + g + 1] = to;
          final_head[g] = head;
          final_tail[g] = tail
        }
     :: !gives_up -> gives_up = 1
     fi;
     if
     :: gives_up ->
        told(g, S) = 0;
        told(g, R) = 0
     :: else ->
        present = g + 1;                            /* Move::commit() */
        told(g, S) = MOVING | MOVED;
        told(g, S) = MOVED;
        told(g, R) = MOVING | MOVED;
        told(g, R) = MOVED;
        g++
     fi;
     atomic { from = 0; to = 0; head = 0; tail = 0; gives_up = 0 }
  od
}

init {
  atomic { run drain(S); run drain(R); run sender(); run receiver(); run broker() }
}
