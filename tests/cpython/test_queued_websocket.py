"""QueuedWebSocket: what its users see of it, rule by rule. plays.py tells what the lines say.

Over real servers the cases of all engines have it, see test_cases.py, and test_faults.py.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from readystate import OpenTimeout, QueuedWebSocket, State
from readystate_server.testing.inpage import all_gone, journal, until, url
from tests.unit.rules import Rule, follow, parse

from .conftest import AT_ONCE, FOREVER, Page, forever, reached
from .plays import Play, has_functions

BEGIN_AND_END = """
what is sent before the start waits, and goes out in order
    send a #b; put c                > put:done      ? waits=a,#b,c pending=3 pending_bytes=3
                                                    ? state=WAITING url= protocol=
    start                           > connect       ? state=CONNECTING a=QUEUED attempts=1
    open                            > a #b c        ? state=OPEN a=left_the_page pending=0
    close 4000 bye                  > CLOSE:4000:bye close:done
                                                    ? state=CLOSED error=ConnectionClosedError:4000
it is started once
    start; open                     > connect
    start                                           ! RuntimeError
    close                           > CLOSE:1000 close:done
    start                                           ! RuntimeError
an end before the start: closed
    send a; close                   > close:done    ? state=CLOSED a=closed
    start                                           ! ConnectionClosedOK
    drain; recv; all                > drain:done recv:ConnectionClosedOK all:
an end before the start: aborted
    send a; abort                                   ? state=CLOSED a=aborted
    start                                           ! ConnectionClosedError
    drain; recv                     > drain:done recv:ConnectionClosedError
close begins once, and goes on though it is cancelled  [is_stuck]
    start; open; send a             > connect a
    close; cancel close
    send b                                          ! ConnectionClosedOK
    close 4000 other
    leave 1; pass 1                 > CLOSE:1000 close:done ? state=CLOSED a=left_the_page
    close                           > close:done
close while waiting connects again only to deliver
    start; open; end 1012           > connect       ? state=WAITING
    close                           > close:done    ? state=CLOSED attempts=1
and then at once
    start; open; end 1012; send a   > connect       ? state=WAITING
    close                           > connect
    open                            > a CLOSE:1000 close:done ? a=left_the_page attempts=2
close while connecting gives the attempt up
    start; close                    > connect ABORT close:done ? state=CLOSED reconnects=0
close drops what is not confirmed in time  [acks close_timeout=5]
    start; open; send ka kb         > connect ka kb
    close; pass 4.9                                 ? state=OPEN ka=SENT
    pass 0.1                        > CLOSE:1000 close:done ? ka=closed drops=closed:2
or in the time that is given to it  [acks close_timeout=60]
    start; open; send ka; close within=5 > connect ka
    pass 5                          > CLOSE:1000 close:done ? ka=closed
also what could not be sent
    start; send a; close within=5   > connect
    pass 5                          > ABORT close:done ? a=closed
a server that does not answer the close frame is waited for, for a second at least  [is_deaf]
    start; open; close within=0     > connect CLOSE:1000
    pass 0.9
    pass 0.1                        > close:done    ? state=CLOSED
a closing handshake confirms what was sent before it  [acks]
    start; open; send a             > connect a     ? a=SENT
    close within=0                  > CLOSE:1000 close:done ? a=closing_handshake
but not one that the server began  [acks]
    start; open; send a             > connect a
    end 1000                                        ? a=closed
also if close() comes right behind its close frame  [acks]
    start; open; send a; closing    > connect a
    close within=0; end 1000        > close:done    ? a=closed
a code or reason that no page may send changes nothing
    start; open                     > connect
    close 0; close 1001             > close:InvalidAccessError close:InvalidAccessError
    close 2999; close 5000          > close:InvalidAccessError close:InvalidAccessError
    close 4000 x*124; close 1000 é*62 > close:DOMSyntaxError close:DOMSyntaxError ? state=OPEN
    close 4999 done                 > CLOSE:4999:done close:done
abort while connecting
    start; send a; abort            > connect ABORT ? state=CLOSED a=aborted drops=aborted:1
abort during on_open
    on_open hang
    start; open; send a; abort      > connect CLOSE ? state=CLOSED a=aborted
abort while open  [is_stuck]
    start; open; send a; abort      > connect a CLOSE ? state=CLOSED a=aborted unconfirmed=0
abort while waiting
    start; open; end 1012; send a   > connect
    abort                   ? a=aborted pending=0 why=ended:_aborted,_by_abort()_(1006)
    recv; put b             > recv:ConnectionClosedError put:ConnectionClosedError
    abort; close            > close:done
abort drops all for one reason, what is in doubt, and what is of on_open, too  [acks in_doubt=drop]
    on_open send a
    start; open; send b; abort      > connect a b CLOSE ? a=aborted b=aborted
abort in the function for the URL
    url abort+/a
    start; pass 60                                  ? states=CONNECTING,CLOSED attempts=1
abort in the function for the subprotocols
    protocols abort+json
    start; pass 60                                  ? states=CONNECTING,CLOSED attempts=1
abort in should_reconnect
    should_reconnect abort+yes
    start; open; end 1012; pass 60 > connect asked:1012 ? states=CONNECTING,OPEN,CLOSED attempts=1
abort in on_open
    on_open abort
    start; open; pass 60            > connect CLOSE ? states=CONNECTING,CLOSED attempts=1
abort in on_state, while connecting
    on_state CONNECTING abort
    start; pass 60                                  ? states=CONNECTING,CLOSED attempts=1
while open
    on_state OPEN abort
    start; open; pass 60            > connect CLOSE ? states=CONNECTING,OPEN,CLOSED attempts=1
while waiting
    on_state WAITING abort
    start; refuse; pass 60          > connect       ? states=CONNECTING,WAITING,CLOSED attempts=1
abort sends nothing, though there is room now  [acks max_unconfirmed=1]
    start; open; send ka kb         > connect ka
    say ack:ka and abort            > CLOSE         ? ka=acknowledged kb=aborted
"""

BOUNDS = """
what waits is bounded, and may expire  [max_pending=2 ttl=5]
    send a b@60                                     ? waits=a,b
    send c                                          ! QueueFull
    put c                           > put:QueueFull
    pass 6                                          ? a=expired waits=b
    clear                                           ? b=cleared pending=0
put waits for room until there is a connection  [max_pending=1 on_full=wait]
    send a; put b                                   ? waits=a
    start                           > connect
    open                            > a b put:done
or an end  [max_pending=1 on_full=wait]
    send a; put b; abort            > put:ConnectionClosedError
more than is held is dropped, the oldest first  [max_queue=3]
    start; open; say a b c d e      > connect       ? dropped=2
    recv; recv; recv                > recv:c recv:d recv:e
or the newest  [max_queue=3 on_overflow=drop-newest]
    start; open; say a b c d e      > connect       ? dropped=2
    recv; recv; recv                > recv:a recv:b recv:c
bytes are counted too, and one message is always held  [max_queue_bytes=6]
    start; open; say longlonglong   > connect       ? dropped=0
    say two                                         ? dropped=1
    say three                                       ? dropped=2
    recv                            > recv:three
of two too long the newest may go  [max_queue_bytes=6 on_overflow=drop-newest]
    start; open; say longlong1 longlong2 > connect  ? dropped=1
    recv                            > recv:longlong1
also while a task waits  [max_queue_bytes=6]
    start; open; recv; say longlonglong > connect recv:longlonglong ? dropped=0
one message ends nothing  [max_queue_bytes=6 on_overflow=close]
    start; open; say longlong; recv > connect recv:longlong ? state=OPEN
    say longlong1 longlong2         > CLOSE:4008:receive_queue_full
    recv; recv; recv    > recv:longlong1 recv:longlong2 recv:ConnectionClosedError
more of them may end it  [max_queue=2 on_overflow=close]
    start; open; say a b            > connect       ? state=OPEN
    say c                           > CLOSE:4008:receive_queue_full
                                                    ? state=CLOSED error=ConnectionClosedError:4008
    recv; recv; recv; recv > recv:a recv:b recv:c recv:ConnectionClosedError
    send a                                          ! ConnectionClosedError
"""

RECEIVING = """
receiving goes on across connections
    start; open; all; say a b       > connect
    end 1012; pass 1; open; say c   > connect
    end 1000                        > all:a,b,c     ? reconnects=1
what came before close is received after it
    start; open; say a b; recv      > connect recv:a
    close; all                      > CLOSE:1000 close:done all:b
after an end that was meant nothing is sent, and nothing waits
    start; open; say a; end 1000 why > connect      ? error=ConnectionClosedOK:1000
    recv; recv; recv                > recv:a recv:ConnectionClosedOK recv:ConnectionClosedOK
    put b; all; drain               > put:ConnectionClosedOK all: drain:done
    send b                          ! ConnectionClosedOK    ? pending=0 why=closed:_1000_'why'
after another end an iteration raises too
    start; open; end 4400 why       > connect       ? error=ConnectionClosedError:4400
    recv; all; drain > recv:ConnectionClosedError all:ConnectionClosedError drain:done
who waits is told of the end: by close
    start; open; recv; close        > connect CLOSE:1000 recv:ConnectionClosedOK close:done
by abort
    start; open; recv; abort        > connect CLOSE recv:ConnectionClosedError
what arrives right before the end is received, though on_open never ran
    on_open raise
    start; open and say a and cut   > connect       ? state=WAITING
    recv                            > recv:a
"""

WHEN_AND_WHERE = """
should_reconnect decides, of attempts that fail too
    should_reconnect yes yes no
    start; refuse; pass 1           > connect asked:1006 connect
    open; end 1000; pass 2          > asked:1000 connect
    open; end 1012                  > asked:1012    ? state=CLOSED error=ConnectionClosedError:1012
the default holds if it raises
    should_reconnect LookupError
    start; open; end 1012           > connect asked:1012 reported:LookupError ? state=WAITING
    pass 1; open; end 4400 > connect asked:4400 reported:LookupError ? state=CLOSED
it is not asked after one's own end
    should_reconnect yes
    start; open; close 4000         > connect CLOSE:4000 close:done
each attempt asks anew where to, and for the subprotocols
    url /a /b; protocols one two
    start; open                     > connect:a:one ? url=ws://host/a protocol=one
    end 1012; pass 1; open          > connect:b:two ? url=ws://host/b protocol=two
a URL function that fails is asked again
    url LookupError number http://[ ws://host/#fragment /a
    start                           > reported:LookupError  ? state=WAITING error=LookupError
    pass 1; pass 2                  > reported:TypeError reported:DOMSyntaxError
    pass 4                          > reported:DOMSyntaxError
    pass 8; open                    > connect:a     ? state=OPEN attempts=5 reconnects=0
so is one for the subprotocols
    protocols LookupError number a,a json
    start; pass 1                   > reported:LookupError reported:TypeError
    pass 2; pass 4                  > reported:DOMSyntaxError connect:json
subprotocols that no attempt mends are final, though the URL is a function  [protocols=a,a]
    url /a
    send a; start                                   ? state=CLOSED error=DOMSyntaxError:12 a=closed
    recv                            > recv:DOMSyntaxError
    send b                                          ! DOMSyntaxError
a bad URL is raised at the start, which begins nothing  [url=http://[]
    send a
    start                                           ! DOMSyntaxError
    close within=0                  > close:done    ? attempts=0 a=closed
so are bad subprotocols  [protocols=a,a]
    start                                           ! DOMSyntaxError
a function that waits for what is cancelled has failed, and nothing else is cancelled: the URL's
    url cancelled /a
    start                           > reported:RuntimeError ? state=WAITING
    pass 1; open                    > connect:a     ? state=OPEN
should_reconnect
    should_reconnect cancelled
    start; open; end 1012           > connect asked:1012 reported:RuntimeError
    pass 1; open                    > connect       ? state=OPEN
"""

HOW_LONG = """
what hangs is given up, and tried again: the URL function  [connect_timeout=3]
    url hang /a
    start; pass 2.9                                 ? state=CONNECTING
    pass 0.1                                        ? state=WAITING error=OpenTimeout
    ? why=the_function_for_the_URL_or_the_protocols_has_not_returned_within_3_s
    pass 1; open                    > connect:a     ? state=OPEN
the handshake  [connect_timeout=3]
    start; pass 3                   > connect ABORT ? state=WAITING error=OpenTimeout
                                ? why=ws://host/_has_not_accepted_the_connection_within_3_s
    pass 1; open                    > connect       ? state=OPEN
on_open  [connect_timeout=3]
    on_open hang
    start; open; pass 3             > connect CLOSE ? state=WAITING error=OpenTimeout
                                ? why=on_open_has_not_returned_for_ws://host/_within_3_s
the session  [connect_timeout=3 session]
    start; open; pass 3 > connect:readystate.v1 ␐open:[65536,67108864] CLOSE ? error=OpenTimeout
                                ? why=ws://host/_has_not_opened_or_resumed_the_session_within_3_s
timeouts are attempts  [connect_timeout=1 max_attempts=2]
    url hang
    start; recv; pass 1; pass 1; pass 1 > recv:ConnectionFailed ? attempts=2
for the time too  [connect_timeout=1 give_up_after=3]
    start; pass 5                   > connect ABORT connect ABORT
                                                    ? error=ConnectionFailed attempts=2
it may be given up at once  [max_attempts=1]
    send a; start; refuse           > connect       ? state=CLOSED error=ConnectionFailed a=closed
    recv; recv; put b > recv:ConnectionFailed recv:ConnectionFailed put:ConnectionFailed
    all; close                      > all:ConnectionFailed close:done
    send b                                          ! ConnectionFailed
attempts are counted from the last connection that has brought a message  [max_attempts=2]
    start; refuse                   > connect       ? attempt=1
    pass 1; open; say a; end 1012   > connect       ? attempt=0
    pass 2; refuse                  > connect       ? attempt=1
    pass 4; open; end 1012          > connect       ? state=CLOSED
each state is told, with the attempt, the wait, and the error
    start                           > connect       ? states=CONNECTING attempt=1 delay=None
    open                                            ? states=OPEN attempt=0 error=NoneType
    end 1012                ? states=WAITING attempt=1 delay=1 error=ConnectionClosedError:1012
    pass 1                          > connect       ? states=CONNECTING attempt=2
    close                           > ABORT close:done ? states=CLOSED error=ConnectionClosedOK:1000
what on_state raises is reported, and stops nothing
    on_state OPEN fail; on_state CLOSED fail
    start; open                     > connect reported:LookupError
    abort                           > CLOSE reported:LookupError
what is counted
    send a; pass 3; clear; start; pass 2 > connect  ? drops=cleared:1
    open; pass 4; end 1012                  ? seconds=CONNECTING:2,OPEN:4,WAITING:3
"""

ON_OPEN = """
on_open goes ahead, on each connection
    on_open send token; on_open send more
    send a; start; open             > connect token more a
    end 1012; send b; pass 1; open  > connect token more b
it receives the reply, though another task receives too
    on_open recv
    start; open; recv               > connect
    say a b                         > on_open.recv:a recv:b
    end 1012; pass 1; open; say c   > connect on_open.recv:c
what it does not receive goes on in order
    on_open recv; on_open wait
    start; open; recv; say a b c    > connect on_open.recv:a
    go                              > on_open.wait:done recv:b
    recv                            > recv:c
what others send meanwhile waits
    on_open send a; on_open wait; on_open send b
    send c; start; open             > connect a
    send d                                          ? state=CONNECTING d=QUEUED waits=c,d
    go                              > on_open.wait:done b c d
one that raises has failed, and its attempt with it
    on_open send token; on_open raise
    send a; start; open             > connect token reported:LookupError CLOSE
                                    ? state=WAITING error=LookupError attempt=1 reconnects=0
it may await its own delivery: that it has left the page
    on_open send a; on_open await a
    start; open                     > connect a on_open.await:done ? a=left_the_page
that there was a heartbeat  [heartbeat=60,60]
    on_open send a; on_open await a
    start; open                     > connect a ping
    say pong                        > on_open.await:done ? state=OPEN a=heartbeat
that it is acknowledged  [acks]
    on_open send k; on_open await k
    start; open; say ack:k > connect k on_open.await:done ? k=acknowledged
a connection that is lost meanwhile  [acks]
    on_open send a; on_open hang
    send b; start; open             > connect a
    end 1012                                        ? a=connection_lost b=QUEUED reconnects=0
the code and reason with which a server turns it down are why it has ended: meant
    on_open send token; on_open recv
    start; open; end 1000 why       > connect token ? error=ConnectionClosedOK:1000
or not
    on_open send token; on_open recv
    start; open; end 4401 why > connect token ? error=ConnectionClosedError:4401
a task that it begins goes on after it
    on_open task; on_open wait
    start; open; say a              > connect on_open.task:done on_open.task.recv:a
    go; say b                       > on_open.wait:done on_open.task.recv:b
put in it does not wait for what waits for it  [max_pending=1 on_full=wait]
    on_open put a
    send b; put c; start; open      > connect a on_open.put:done b c put:done
it cannot wait for what waits for it: drain
    on_open drain
    start; open                     > connect on_open.drain:RuntimeError ? state=OPEN
close
    on_open close
    start; open                     > connect on_open.close:RuntimeError ? state=OPEN
wait_open
    on_open wait_open
    start; open                     > connect on_open.wait_open:RuntimeError ? state=OPEN
"""

CONFIRMED = """
a heartbeat is sent each interval, and is no message of the queue  [heartbeat=10,3]
    start; open; pass 10            > connect ping  ? accepted=0 sent=0
    pass 1; say pong; pass 8.9                      ? latency=1
    pass 0.1                        > ping
a connection over which no reply comes is replaced  [heartbeat=10,3]
    start; open; send a; pass 10    > connect a ping ? a=SENT
    pass 3                          > CLOSE         ? error=ConnectionClosedError:1006
                                ? why=ended:_no_reply_to_the_heartbeat_within_3_s_(1006) a=SENT
    pass 1; open                    > connect a ping
    say pong                                        ? a=heartbeat resent=1 reconnects=1
anything that arrives keeps it  [heartbeat=10,3]
    start; open; pass 10; pass 2; say a; pass 7.9   > connect ping
    pass 0.1                        > ping          ? reconnects=0
    recv                            > recv:a
though nobody has taken it yet when the time is over  [heartbeat=10,3]
    start; open; recv; pass 10      > connect ping
    late 3 and say a and cancel recv                ? state=OPEN
    recv; pass 7                    > recv:a ping
a heartbeat without replies finds it too, and confirms nothing  [heartbeat=10,3,none]
    start; open; send a             > connect a     ? a=left_the_page
    pass 13                         > ping CLOSE    ? state=WAITING
a reply is kept from the application  [heartbeat=10,3]
    start; open; send a; pass 10    > connect a ping
    say pong b; recv                > recv:b        ? a=heartbeat
who gives up waiting disturbs nobody  [heartbeat=60,60]
    start; open; send a; drain      > connect a ping
    cancel drain and clear; say pong                ? a=heartbeat
it confirms only what was sent before its request  [heartbeat=60,60]
    start; open; send a; await a; send b > connect a ping b
    say pong                        > await:done    ? a=heartbeat b=SENT
    drain                           > ping
    say pong                        > drain:done    ? b=heartbeat
whoever waits for it has it asked for at once, and once: a task  [heartbeat=60,60]
    start; open; send a             > connect a
    await a; await a                > ping
    say pong                        > await:done await:done ? a=heartbeat
but not for all others  [heartbeat=60,60]
    start; open; send a; await a    > connect a ping
    say pong; send b c d            > await:done b c d
one that has begun before  [heartbeat=60,60]
    send a; await a; start; open    > connect a ping
    say pong                        > await:done
drain  [heartbeat=60,60]
    start; open; send a; drain      > connect a ping
close  [heartbeat=60,60]
    start; open; send a; close      > connect a ping
    say pong                        > CLOSE:1000 close:done ? a=heartbeat
half a window that is unconfirmed  [heartbeat=60,60 max_unconfirmed=8]
    start; open; send a b c         > connect a b c
    send d                          > d ping
    say pong                                        ? confirmed=4
half a window of bytes  [heartbeat=60,60 max_unconfirmed_bytes=8]
    start; open; send aaa b         > connect aaa b ping
    send ccccc                                      ? ccccc=QUEUED
    say pong                        > ccccc ping
a message of the heartbeat that fails is reported, and stops nothing
    heartbeat LookupError number ping
    start; open; pass 10            > connect reported:LookupError
    pass 10                         > reported:TypeError
    pass 10                         > ping          ? reconnects=0
an is_reply that raises is reported, and loses nothing
    is_reply LookupError
    start; open; say a; recv        > connect reported:LookupError recv:a
abort in is_reply
    is_reply abort+no
    start; open; say a; recv; recv > connect CLOSE recv:a recv:ConnectionClosedError

acknowledgements confirm, and are passed on if that is asked  [acks=pass_on]
    start; open; send k; say ack:k; recv > connect k recv:ack:k ? k=acknowledged
or not  [acks]
    start; open; send k x; say ack:k a; recv > connect k x recv:a ? k=acknowledged x=SENT
an acked that fails is reported, and loses nothing  [acks]
    start; open; send k; say bad    > connect k reported:LookupError
    say number                      > reported:TypeError
    recv; recv                      > recv:bad recv:number
    say ack:k                                       ? k=acknowledged
a key that fails is raised, and changes nothing: while it waits  [acks]
    send kbad                                       ! LookupError
    send klist                                      ! TypeError
    start; open                     > connect       ? accepted=0
    send kbad                                       ! LookupError
    send klist                                      ! TypeError
    send k; say ack:k               > k             ? accepted=1 unconfirmed=0
with a heartbeat too, those with a key wait for acknowledgements  [acks heartbeat=60,60]
    start; open; send k a; await a  > connect k a ping
    say pong                        > await:done    ? a=heartbeat k=SENT
    drain; pass 50; pass 9                          ? k=SENT
    say ack:k                       > drain:done    ? k=acknowledged
beside a heartbeat without replies  [acks heartbeat=10,3,none]
    start; open; send k; pass 10    > connect k ping
    say ack:k                                       ? k=acknowledged
abort in acked
    acked abort+none
    start; open; say a; recv; recv > connect CLOSE recv:a recv:ConnectionClosedError

what is in doubt is sent again first  [acks]
    start; open; send ka kb kc      > connect ka kb kc
    say ack:ka; end 1012; send kd                   ? ka=acknowledged kb=SENT waits=kb,kc,kd
    pass 1; open                    > connect kb kc kd ? resent=2 sent=6
    say ack:kb,kc,kd                                ? confirmed=4 drops=

a watchdog replaces a silent connection, and sends nothing  [watchdog=3]
    start; open; send a             > connect a     ? a=left_the_page
    pass 2; say b; pass 2.9                         ? state=OPEN latency=None
    pass 0.1            > CLOSE ? why=ended:_nothing_has_arrived_within_3_s_(1006)
"""

PAGE = """
a page that comes back connects at once, whatever says so
    start; open; end 1012           > connect       ? state=WAITING
    page offline; page pagehide; page hidden        ? state=WAITING attempts=1
    page online; refuse             > connect       ? state=WAITING
    page pageshow; refuse           > connect       ? state=WAITING
    page resume; refuse             > connect       ? state=WAITING
    page visible                    > connect
also one that comes back while it connects
    start; page online; refuse      > connect connect
a change of the network has the connection looked at  [heartbeat=60,60]
    start; open; page online; page offline > connect ping ping
after the end it listens to nothing
    start; open; abort; page online > connect CLOSE ? listeners=0
"""

RECONNECT = """
reconnect() from open, over a new URL
    url /a /b
    start; open; reconnect          > connect:a CLOSE connect:b
    open                            ? url=ws://host/b attempts=2 reconnects=1
from waiting
    start; refuse; reconnect        > connect connect
from connecting: the URL function
    url hang /b
    start; reconnect; open          > connect:b     ? state=OPEN
the handshake
    start; reconnect                > connect ABORT connect
on_open
    on_open hang
    start; open; reconnect          > connect CLOSE connect
it is no failure  [max_attempts=1]
    start; open; reconnect; open; reconnect; open > connect CLOSE connect CLOSE connect ? state=OPEN
nothing is lost, and the reader goes on  [acks]
    start; open; all; send ka kb    > connect ka kb
    say a ack:ka; reconnect; open   > CLOSE connect kb ? ka=acknowledged
    say b ack:kb; end 1000          > all:a,b       ? kb=acknowledged
not before the start, nor after the end
    reconnect                                       ! RuntimeError
    wait_open                       > wait_open:RuntimeError
    start; abort                    > connect ABORT
    reconnect                                       ! ConnectionClosedError
    wait_open                       > wait_open:ConnectionClosedError
who waits for a connection is told of it
    start; wait_open                > connect
    open                            > wait_open:done
or that it takes too long
    start; wait_open 3; refuse; pass 3 > connect connect wait_open:TimeoutError
    wait_open -1                    > wait_open:ValueError
or that it is given up  [max_attempts=1]
    start; wait_open; refuse        > connect wait_open:ConnectionFailed
what was never started says so
    send a; recv; all; drain        > recv:RuntimeError all:RuntimeError drain:RuntimeError
    start; open                     > connect a
"""

LEAVING = """
a block is left when all is confirmed  [heartbeat=60,60]
    start; open; send a; exit       > connect a ping
    say pong                        > CLOSE:1000 exit:done
or at once because of an exception, which is logged with what is dropped  [heartbeat=60,60]
    start; open; send a b           > connect a b
    exit LookupError                > CLOSE exit:done ? state=CLOSED a=aborted b=aborted logged=1
                    ? log=LookupError_in_its_block:_2_unconfirmed_messages_of_2_bytes_are_dropped
also while it waits
    start; refuse; send a           > connect
    exit LookupError                > exit:done     ? a=aborted logged=1
nothing is logged if nothing is dropped
    start; open; send a             > connect a
    exit LookupError                > CLOSE exit:done ? a=left_the_page logged=0
a cancellation while it closes ends it at once  [heartbeat=60,60]
    start; open; send a; exit       > connect a ping
    cancel exit                     > CLOSE         ? state=CLOSED a=aborted logged=1
what the server fails on each time is dropped, if that is asked  [acks max_resends=1]
    start; open; send k; cut        > connect k
    pass 1; open; cut               > connect k     ? k=resent_too_often logged=1
"""

SESSION = """
a session is opened with the window of what is received, and resumed  [session max_queue=5]
    start; open                     > connect:readystate.v1 ␐open:[5,67108864] ? state=CONNECTING
    send a; say ␐opened x           > a             ? state=OPEN protocol=readystate.v1
    cut; pass 1; open               > connect:readystate.v1 ␐resume:1 ? state=CONNECTING a=SENT
    say ␐resumed:0                  > a ␐ask        ? state=OPEN resent=1
    say ␐ack:1                                      ? a=session
who waits has the other end asked, when it is done with all  [session]
    session; send a b; drain        > a b ␐ask
    pass 0.5; say ␐ack:1                            ? a=session b=SENT latency=0.5
    say ␐ack:2                      > drain:done    ? b=session
what was received is acknowledged when the application comes for more, soon  [session]
    session; say x; recv            > recv:x
    recv; pass 3                    > ␐ack:1
or with a message  [session]
    session; say x y; recv; recv; recv; pass 0.5 > recv:x recv:y
    send a                          > a ␐ack:2
or when it is asked  [session]
    session; say x ␐ask             > ␐ack:0
    recv; recv                      > recv:x ␐ack:1
and then no more, when that was due  [session]
    session; say x; recv; recv      > recv:x
    say ␐ask                        > ␐ack:1
    pass 3
nor over a connection that is closing  [session]
    session; say x; recv; recv; closing; pass 3 > recv:x
it goes on over a connection that the application has asked for  [session]
    session; send a; reconnect      > a CLOSE connect:readystate.v1
    open; say ␐resumed:1 ␐ack:1     > ␐resume:0     ? a=session
the server ends it  [session]
    session; send a b; say ␐ack:1; end 1000 > a b   ? a=session b=session_ended logged=1
    recv                            > recv:ConnectionClosedOK
    send c                                          ! ConnectionClosedOK    ? reconnects=0
its application fails  [session]
    session; send a; end 4411 > a   ? a=session_ended error=ConnectionClosedError:4411
the server asks to come back later: at the beginning  [session]
    start; open; end 1013 busy      > connect:readystate.v1 ␐open:[65536,67108864]
                    ? state=WAITING error=ConnectionClosedError:1013 why=closed:_1013_'busy'
as of a page that was blocked  [session]
    session; say x y; end 1013                      ? state=WAITING
    pass 1; open; say ␐resumed:0 z  > connect:readystate.v1 ␐resume:2
    recv; recv; recv                > recv:x recv:y recv:z
the server breaks the protocol  [session]
    session; say ␐ack:1             > CLOSE:4400:an_acknowledgement_of_what_was_not_sent
                                                    ? error=ConnectionClosedError:4400
it is gone, which is told, and never does it begin anew in silence  [session]
    session; send a; cut; send b    > a
    pass 1; open                    > connect:readystate.v1 ␐resume:0
    end 4404 expired:_late          ? error=SessionExpired:4404 a=session_ended b=session_ended
    recv                            > recv:SessionExpired ? gone=expired:a,b
unless that is asked for: what is unconfirmed is sent again then  [session=renew]
    session; say x; send a; cut; send b > a
    pass 1; open                    > connect:readystate.v1 ␐resume:1
    end 4404 forgotten:_new         ? state=WAITING error=SessionExpired:4404 gone=forgotten:a,b+
    pass 2; open                    > connect:readystate.v1 ␐open:[65536,67108864]
    say ␐opened y                   > a b ␐ask      ? state=OPEN
    recv; recv; recv; pass 3        > recv:x recv:y ␐ack:1
a server that answers "open" so has no sessions at all  [session=renew]
    start; open; end 4404           > connect:readystate.v1 ␐open:[65536,67108864]
                                                    ? state=CLOSED error=SessionExpired:4404
nor has one that does not choose the subprotocol  [session]
    start; open without             > connect:readystate.v1 CLOSE ? error=ConnectionFailed
close waits until all is confirmed  [session]
    session; send a; close          > a ␐ask
    say ␐ack:1                      > CLOSE:1000 close:done ? a=session
what was received by then is acknowledged before  [session]
    session; say x; recv; close     > recv:x ␐ack:1 CLOSE:1000 close:done
abort ends it at the server too  [session]
    session; abort                  > CLOSE:1000:aborted
what was cleared was not sent  [session]
    session; send a; cut; send b    > a
    clear; send c                                   ? b=cleared
    pass 1; open; say ␐resumed:1    > connect:readystate.v1 ␐resume:0 c ␐ask
other subprotocols are offered too  [session protocols=token]
    start                           > connect:readystate.v1,token
"""

KEPT = """
a page is kept while it is hidden, as long as its session lasts  [session=kept]
    session; send a; say ␐ack:1     > a             ? kept=
    page hidden                                     ? kept=1,0,1::
    page visible                    > ␐ask          ? kept=
    page hidden; close              > CLOSE:1000 close:done ? kept=
one that is opened hidden, which no event says, from the start  [session=kept is_hidden]
    send a; start                   > connect:readystate.v1 ? kept=0,0,0::a
    open; say ␐opened               > ␐open:[65536,67108864] a ? kept=1,0,0:a:
    page visible                    > ␐ask          ? kept=
what is sent and received while it is hidden is kept for the next page  [session=kept]
    session; send a; say ␐ack:1     > a
    page hidden; send b             > b             ? kept=1,0,1:b:
    say x; recv; recv               > recv:x        ? kept=1,1,1:b:
    cut; send c                                     ? kept=1,1,1:b:c
    kill; start; open               > connect:readystate.v1 ␐resume:1 ? kept=
    say ␐resumed:1; page hidden     > ␐ack:1 b c    ? kept=2,1,1:b,c:
one that is left is kept, with whatever there is, and the next one goes on  [session=kept]
    session; send a; say ␐ack:1     > a
    send b #c; cut; send d #e       > b #c          ? kept=
    navigate                                        ? kept=1,0,1:b,#c:d,#e
    send f                                          ? kept= pending=3 unconfirmed=2
    start; open; say ␐resumed:2     > connect:readystate.v1 ␐resume:0 #c d #e f
    say ␐ack:6; close               > CLOSE:1000 close:done
what there is no room for is left out, and the id comes first  [session=kept]
    session; cut; send a b c d; room 53; page hidden > reported:NativeError ? kept=1,0,0::a,b
                                    ? report=The_browser_has_room_for_the_first_2_of_4_messages
    kill; start; open; say ␐resumed:0 > connect:readystate.v1 ␐resume:0 a b
keeping takes a tenth of the time: more is kept later, or before it is acknowledged  [session=kept]
    session; slow 0.1; page hidden; send a b > a b  ? kept=1,0,0::
    pass 1                                          ? kept=1,0,0:a,b:
    say x; recv; recv               > recv:x        ? kept=1,0,0:a,b:
    say ␐ask                        > ␐ack:1        ? kept=1,1,0:a,b:
    pass 1; page visible; send c    > ␐ask c        ? kept=
what was to be kept is not when the page is shown again: a copied tab would take it  [session=kept]
    session; slow 0.1; page hidden; send a b > a b  ? kept=1,0,0::
    page visible                    > ␐ask          ? kept=
    say x ␐ask; recv                > ␐ack:0 recv:x ? kept=
    recv                            > ␐ack:1        ? kept=
what a page has sent, and not kept when it was killed, counts: the server has it  [session=kept]
    session; send a b; say ␐ack:1   > a b
    slow 1; page hidden; send c d   > c d           ? kept=1,0,1:b:
    kill; start; open               > connect:readystate.v1 ␐resume:0
    say ␐resumed:4; send e          > e             ? unconfirmed=1
    say ␐ack:2                                      ? e=SENT
    say ␐ack:4                                      ? e=SENT
    say ␐ack:5                                      ? e=session
also what had waited when it was kept  [session=kept]
    session; cut; send a b; slow 1; page hidden > connect:readystate.v1 ? kept=1,0,0::a,b
    open; say ␐resumed:0            > ␐resume:0 a b ? kept=2,0,0::a,b
    kill; start; open; say ␐resumed:1 > connect:readystate.v1 ␐resume:0 b
and one that comes after its end begins another one  [session=kept]
    session; close; navigate        > CLOSE:1000 close:done
    start; open                     > connect:readystate.v1 ␐open:[65536,67108864]
"""

RULES = BEGIN_AND_END + BOUNDS + RECEIVING + WHEN_AND_WHERE + HOW_LONG + ON_OPEN + CONFIRMED
RULES += PAGE + RECONNECT + LEAVING + SESSION + KEPT

CASES = [
    pytest.param(*case.values, is_async, id=f"{case.id}{' (async)' * is_async}")
    for case in parse(RULES)
    for is_async in (False, True)
    if not is_async or has_functions(case.values[0])
]


@pytest.mark.parametrize(("rule", "is_async"), CASES)
def test_rule(rule: Rule, is_async: bool, fake_page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with Play(rule.options, monkeypatch, fake_page, is_async=is_async) as play:
        follow(rule, play.do, play.look, Exception)


@pytest.mark.parametrize(
    ("code", "is_final"),
    [
        *((code, True) for code in (1000, 1008, 4400, 4499)),
        *((code, False) for code in (1001, 1005, 1006, 1011, 1012, 4000, 4399, 4500)),
    ],
)
def test_codes_after_which_it_connects_again(
    fake_page: Page, monkeypatch: pytest.MonkeyPatch, code: int, is_final: bool
) -> None:
    with Play({}, monkeypatch, fake_page) as play:
        for action in ("start", "open", f"end {code}"):
            play.do(action)
        assert play.look("state") == ("CLOSED" if is_final else "WAITING")


@pytest.mark.parametrize(
    ("protocols", "offered"),
    [
        (None, ""),
        ([], ""),
        ("json", ":json"),
        (["json", "cbor"], ":json,cbor"),
        ((name for name in ("json", "cbor")), ":json,cbor"),
        (lambda: ("json",), ":json"),
    ],
)
def test_kinds_of_subprotocols(
    fake_page: Page, monkeypatch: pytest.MonkeyPatch, protocols: Any, offered: str
) -> None:
    """Offered in each attempt."""
    with Play({"protocols": protocols}, monkeypatch, fake_page) as play:
        assert play.do("start") == [f"connect{offered}"]
        play.do("refuse")
        assert play.do("pass", "1") == [f"connect{offered}"]


# Over a real server


async def test_a_block_and_what_is_left_after_it() -> None:
    ws = QueuedWebSocket(url("/ws/echo"), ["json"])
    async with ws as entered:
        assert entered is ws
        ws.send("é")
        assert await ws.recv(decode=False) == "é".encode()
    assert (ws.state, ws.url, ws.protocol) == (State.CLOSED, "", "")
    # What it has counted is a copy.
    ws.stats.dropped["cleared"] = 100
    assert ws.stats.dropped == {}


@pytest.mark.parametrize("is_constant", [True, False])
async def test_an_attempt_that_was_given_up_leaves_no_socket(id: str, is_constant: bool) -> None:
    address = url("/ws/echo", delay=0.6, id=id)
    where = address if is_constant else lambda: address
    async with QueuedWebSocket(where, connect_timeout=0.3, backoff=FOREVER) as ws:
        assert isinstance((await reached(ws, State.WAITING)).error, OpenTimeout)
        await all_gone(id)


# What is left


@pytest.mark.parametrize("end", ["close", "abort", "never started", "final", "given up"])
async def test_the_object_goes_too(end: str) -> None:
    async def live() -> weakref.ref[QueuedWebSocket]:
        ws: QueuedWebSocket = QueuedWebSocket(
            forever if end == "given up" else url("/ws/close?code=4400&after=1"),
            max_attempts=1,
            connect_timeout=0.01 if end == "given up" else 10,
            on_state=lambda change: ws.state,  # a cycle
        )
        if end == "never started":
            return weakref.ref(ws)
        ws.start()
        if end in ("close", "abort"):
            await reached(ws, State.OPEN)
            await ws.close() if end == "close" else ws.abort()
        elif end == "final":
            ws.send("x")
        await reached(ws, State.CLOSED)
        return weakref.ref(ws)

    reference = await live()
    await until(lambda: gc.collect() >= 0 and reference() is None)


async def test_it_lives_without_a_reference(id: str) -> None:
    """As a socket with listeners does: it has messages to deliver."""
    paths = iter([url("/ws/refuse"), url("/ws/echo", id=id)])

    def begin() -> None:
        ws = QueuedWebSocket(lambda: next(paths), backoff=AT_ONCE)
        ws.start()
        ws.send("x")

    begin()
    gc.collect()
    (connection,) = await journal(id, messages=1)
    assert connection["messages"][0]["data"] == "x"
