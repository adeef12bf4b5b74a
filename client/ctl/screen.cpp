#define NCURSES_NOMACROS 1  // its macros have names such as move and timeout
#include "client/ctl/screen.h"

#include <curses.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "client/ctl/complaint.h"

namespace zipc::ctl {
namespace {

constexpr short kWarningPair = 1;
constexpr short kAlarmPair = 2;
constexpr short kDefaultColor = -1;

SCREEN* terminal = nullptr;  // curses has one at a time

Failure unusable(const std::string& sentence) {
  return advised(Failure{Error::unsupported, sentence}, "zipcctl list prints the same once, anywhere");
}

/// A terminal that cannot put its cursor somewhere shows rubbish.
bool can_move_cursor() {
  char name[] = "cup";
  const char* capability = tigetstr(name);
  return capability != nullptr && capability != reinterpret_cast<char*>(-1);
}

void set_up_colors() {
  if (!has_colors()) return;
  start_color();
  use_default_colors();
  init_pair(kWarningPair, COLOR_YELLOW, kDefaultColor);
  init_pair(kAlarmPair, COLOR_RED, kDefaultColor);
}

attr_t attributes_of(Style style) {
  switch (style) {
    case Style::plain:
      return A_NORMAL;
    case Style::title:
      return A_REVERSE;
    case Style::warning:
      return has_colors() ? static_cast<attr_t>(COLOR_PAIR(kWarningPair)) : A_NORMAL;
    case Style::alarm:
      return has_colors() ? static_cast<attr_t>(COLOR_PAIR(kAlarmPair)) : A_BOLD;
  }
  return A_NORMAL;
}

}  // namespace

Result<Screen> Screen::open() {
  if (isatty(STDOUT_FILENO) != 1) return unusable("standard output is no terminal");
  if (isatty(STDIN_FILENO) != 1) return unusable("standard input is no terminal");
  const char* type = getenv("TERM");
  const std::string name = type == nullptr ? "" : type;
  terminal = newterm(nullptr, stdout, stdin);
  if (terminal == nullptr) return unusable("the kind of terminal is not known: TERM is '" + name + "'");
  Screen screen;  // from here on, the terminal is given back when something fails
  if (!can_move_cursor()) return unusable("the terminal cannot move its cursor: TERM is '" + name + "'");
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, true);
  nodelay(stdscr, true);
  curs_set(0);
  set_up_colors();
  return screen;
}

Screen::~Screen() {
  if (!owner_) return;
  endwin();
  delscreen(terminal);
  terminal = nullptr;
}

ScreenSize Screen::size() const {
  return {.width = static_cast<std::size_t>(getmaxx(stdscr)), .height = static_cast<std::size_t>(getmaxy(stdscr))};
}

void Screen::draw(const std::vector<ScreenLine>& lines) {
  erase();
  int y = 0;
  for (const ScreenLine& line : lines) {
    attrset(static_cast<int>(attributes_of(line.style)));
    mvaddnstr(y++, 0, line.text.c_str(), static_cast<int>(line.text.size()));
  }
  attrset(A_NORMAL);
  refresh();
}

std::optional<Key> Screen::key() {
  switch (getch()) {
    case ERR:
      return {};
    case 'q':
    case 'Q':
      return Key::quit;
    case 's':
      return Key::sort;
    case 'h':
    case '?':
      return Key::help;
    case KEY_UP:
    case 'k':
      return Key::up;
    case KEY_DOWN:
    case 'j':
      return Key::down;
    case KEY_PPAGE:
      return Key::page_up;
    case KEY_NPAGE:
    case ' ':
      return Key::page_down;
    case KEY_HOME:
      return Key::home;
    case KEY_END:
      return Key::end;
    default:
      return Key::other;
  }
}

bool Screen::alive() const { return tcgetpgrp(STDIN_FILENO) >= 0; }

}  // namespace zipc::ctl
