// Sets the theme that was chosen before anything is drawn, so that a dark page does not flash white. A classic script:
// modules run too late. It does nothing else.
;(() => {
  try {
    const theme = localStorage.getItem('cardea.theme')
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
  } catch {
    // Storage may be forbidden here; then the system's preference counts.
  }
})()
